// The tables of the README that are made from the code, so that they cannot drift from it.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BROKER_CONFIGS } from '../../src/broker/config/broker-configs.ts';
import type { ConfigDefinition } from '../../src/broker/config/definition.ts';
import { TOPIC_CONFIGS } from '../../src/broker/config/topic-configs.ts';
import { FAULTS } from '../../src/core/fault.ts';
import { ROOT } from './source-files.ts';

const README = join(ROOT, 'README.md');

function configTable(definitions: Iterable<ConfigDefinition>): string {
  const rows = [...definitions]
    .filter((definition) => definition.fixedBecause === undefined)
    .map(({ name, defaultValue, documentation, dynamic }) => {
      const value = defaultValue === null ? '' : `\`${defaultValue}\``;
      return `| \`${name}\` | ${value} | ${documentation}${dynamic ? ' May change while the broker runs.' : ''} |`;
    });
  return ['| key | default | meaning |', '|---|---|---|', ...rows].join('\n');
}

function errorRows(): string {
  return Object.entries(FAULTS)
    .map(([code, meaning]) => `| \`${code}\` | ${meaning} |`)
    .join('\n');
}

/** The README with its tables made anew. */
export function renderedReadme(): { readonly current: string; readonly rendered: string } {
  const current = readFileSync(README, 'utf8');
  const configuration = `### Broker\n\n${configTable(BROKER_CONFIGS.definitions)}\n\n### Topic\n\n${configTable(TOPIC_CONFIGS.definitions)}`;
  const rendered = replaceSection(replaceSection(current, 'configuration', configuration), 'errors', errorRows());
  return { current, rendered };
}

function replaceSection(text: string, name: string, content: string): string {
  const begin = `<!-- ${name}: begin -->`;
  const end = `<!-- ${name}: end -->`;
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from < 0 || to < from) throw new Error(`README.md has no section ${name}`);
  return `${text.slice(0, from + begin.length)}\n${content}\n${text.slice(to)}`;
}

/** Writes the tables into the README. */
export function updateReadme(): void {
  writeFileSync(README, renderedReadme().rendered);
}
