import { conformanceTests } from './conformance-tests.ts';
import { memoryHost, nodeHost } from './node-hosts.ts';
import { runConformance } from './suite/run.ts';

const { node } = process.versions;

conformanceTests({ title: `node ${node}, its files and a broker process`, run: () => runConformance(nodeHost()) });
conformanceTests({ title: `node ${node}, memory and an embedded broker`, run: () => runConformance(memoryHost()) });
