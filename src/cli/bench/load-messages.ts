// What goes between a load's threads and whoever started them.

import type { FaultRecord } from '../../core/fault.ts';
import type { LoadCount, LoadPlan, LoadResult, LoadShare } from './plan.ts';

export interface LoadThreadData {
  readonly plan: LoadPlan;
  readonly share: LoadShare;
}

export type LoadCommand = { readonly type: 'run'; readonly startMs: number } | { readonly type: 'stop' };

export type LoadReport =
  | { readonly type: 'open' }
  | { readonly type: 'count'; readonly count: LoadCount }
  | { readonly type: 'result'; readonly result: LoadResult }
  | { readonly type: 'fault'; readonly fault: FaultRecord };
