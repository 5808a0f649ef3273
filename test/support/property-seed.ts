// Run before each file: properties are tried from the one seed, too. A property that fails prints it, with the way to its
// counterexample.

import { configureGlobal } from 'fast-check';
import { SEED } from './seed.ts';

configureGlobal({ seed: SEED });
