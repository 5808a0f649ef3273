// AlterConfigs (API key 33), versions 0 to 2.
//
// Behaviour: gives topics, groups, this broker, or (with an empty broker name) every broker the keys named, and takes from them
// all that were set and are not named. A null value is refused: leaving the key out is how it is deleted. Otherwise as
// IncrementalAlterConfigs (KIP-339), which came in its place and is the only one that newer clients send.
// Versions: 1 as 0; 2 flexible.

import { alterConfigs } from '../../protocol/messages/33-alter-configs.ts';
import { alterConfigurations } from '../config-alteration.ts';
import { SET_OPERATION } from '../config-changes.ts';
import type { Handler } from '../handler.ts';

export const alterConfigsHandler: Handler<typeof alterConfigs.request, typeof alterConfigs.response> = {
  api: alterConfigs,
  versions: alterConfigs.versions,
  async handle(services, { resources, validateOnly }, call) {
    const responses = await alterConfigurations(services, {
      resources: resources.map(({ configs, ...resource }) => ({
        ...resource,
        changes: configs.map(({ name, value }) => ({ name, value, configOperation: SET_OPERATION })),
      })),
      startsFrom: 'nothing',
      validateOnly,
    });
    for (const { errorCode } of responses) call.note(errorCode);
    return { responses };
  },
};
