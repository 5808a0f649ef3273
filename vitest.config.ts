import { defineConfig } from 'vitest/config';
import { ClosingLineReporter } from './test/support/closing-line-reporter.ts';

export default defineConfig({
  test: {
    // `npm run test:clients` runs the suites of clients that npm does not bring; `npm test` runs all else.
    include: process.env.MILLRACE_CLIENTS === undefined ? ['test/**/*.test.ts'] : ['test/clients/external/*.suite.ts'],
    // For what would never end. A machine that does other things beside makes the longest test a minute longer.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    setupFiles: ['test/support/property-seed.ts'],
    pool: 'forks',
    maxWorkers: 2,
    reporters: ['default', new ClosingLineReporter()],
  },
});
