import { conformanceTests } from './conformance-tests.ts';
import { memoryHost, nodeHost } from './node-hosts.ts';
import { runConformance } from './suite/run.ts';

conformanceTests({ title: `node ${process.versions.node} on its file system`, run: () => runConformance(nodeHost()) });
conformanceTests({
  title: `node ${process.versions.node} on memory`,
  run: () => runConformance(memoryHost()),
  withoutBroker: true,
});
