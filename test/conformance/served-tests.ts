// The conformance suite in a runtime beside Node: on its own files with an embedded broker, and with a whole broker in a
// process of its own, which is killed where a case says crash.

import { bundleFor, type RuntimeName, runtime } from '../support/runtimes.ts';
import { conformanceTests, reportOf } from './conformance-tests.ts';

export function servedTests(name: RuntimeName): void {
  const { command, arguments: runArguments } = runtime(name);
  const run = async (kind: 'embedded' | 'served') => {
    const runner = await bundleFor(name, `test/conformance/runtimes/${name}-runner.ts`);
    await bundleFor(name, `test/conformance/runtimes/${name}-broker.ts`);
    return reportOf(command, [...runArguments, runner, kind]);
  };
  conformanceTests({ title: `${name}, its files and an embedded broker`, run: () => run('embedded') });
  conformanceTests({
    title: `${name}, a broker process with workers`,
    run: () => run('served'),
    only: 'a broker:',
  });
}
