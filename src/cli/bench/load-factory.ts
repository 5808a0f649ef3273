// Makes the load that a plan asks for.

import type { Load } from './load.ts';
import type { LoadPlan, LoadShare } from './plan.ts';

/** The load of a plan; what it needs is loaded here, so that none pays for another. */
export async function createLoad(plan: LoadPlan, share: LoadShare): Promise<Load> {
  switch (plan.kind) {
    case 'produce': {
      const { ProduceLoad } = await import('./produce-load.ts');
      return new ProduceLoad(plan, share);
    }
    case 'latency': {
      const { LatencyLoad } = await import('./latency-load.ts');
      return new LatencyLoad(plan);
    }
    case 'consume': {
      const { ConsumeLoad } = await import('./consume-load.ts');
      return new ConsumeLoad(plan, share);
    }
  }
}
