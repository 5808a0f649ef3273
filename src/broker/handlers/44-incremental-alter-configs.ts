// IncrementalAlterConfigs (API key 44), versions 0 and 1.
//
// Behaviour: sets, deletes, appends to and subtracts from keys of topics, of groups, of this broker, or (with an empty broker name)
// of every broker. The changes of one resource are made together or not at all; they are durable and have reached the
// open logs when the answer comes. A key that is unknown or cannot be honoured is refused.
// Versions: 1 flexible.

import { incrementalAlterConfigs } from '../../protocol/messages/44-incremental-alter-configs.ts';
import { alterConfigurations } from '../config-alteration.ts';
import type { Handler } from '../handler.ts';

export const incrementalAlterConfigsHandler: Handler<
  typeof incrementalAlterConfigs.request,
  typeof incrementalAlterConfigs.response
> = {
  api: incrementalAlterConfigs,
  versions: incrementalAlterConfigs.versions,
  async handle(services, { resources, validateOnly }, call) {
    const responses = await alterConfigurations(services, {
      resources: resources.map(({ configs, ...resource }) => ({ ...resource, changes: configs })),
      startsFrom: 'present',
      validateOnly,
    });
    for (const { errorCode } of responses) call.note(errorCode);
    return { responses };
  },
};
