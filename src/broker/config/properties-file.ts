// The text format of Kafka's configuration files (java.util.Properties): lines of `key=value`, comments after `#` or
// `!`, lines continued by a backslash, and backslash escapes. It knows no key.

import { LogFault } from '../../core/fault.ts';

const ESCAPES: Readonly<Record<string, string>> = { t: '\t', n: '\n', r: '\r', f: '\f' };

/** The keys and values of a properties file; a key given twice has its last value. Throws ERR_CONFIG with the line. */
export function parseProperties(text: string): Record<string, string> {
  const entries: Record<string, string> = {};
  const lines = text.split(/\r\n|\r|\n/);
  for (let number = 0; number < lines.length; number++) {
    const start = number;
    let line = (lines[number] ?? '').trimStart();
    if (line === '' || line.startsWith('#') || line.startsWith('!')) continue;
    while (continues(line) && number + 1 < lines.length) {
      number++;
      line = line.slice(0, -1) + (lines[number] ?? '').trimStart();
    }
    const [key, value] = entry(line, start + 1);
    if (key === '') throw new LogFault('ERR_CONFIG', `line ${start + 1}: a key is missing before the value`);
    entries[key] = value;
  }
  return entries;
}

/** Whether the line ends with an odd number of backslashes. */
function continues(line: string): boolean {
  return (/\\+$/.exec(line)?.[0].length ?? 0) % 2 === 1;
}

function entry(line: string, number: number): [string, string] {
  let at = 0;
  while (at < line.length && !/[=:\s]/.test(line.charAt(at))) at += line.charAt(at) === '\\' ? 2 : 1;
  const rest = /^\s*[=:]?\s*/.exec(line.slice(at))?.[0].length ?? 0;
  return [unescaped(line.slice(0, at), number), unescaped(line.slice(at + rest), number).trimEnd()];
}

function unescaped(text: string, number: number): string {
  return text.replace(/\\(u[0-9a-fA-F]{4}|.|$)/g, (_, escaped: string) => {
    if (escaped.length === 5) return String.fromCharCode(Number.parseInt(escaped.slice(1), 16));
    if (escaped === 'u') throw new LogFault('ERR_CONFIG', `line ${number}: \\u takes four hexadecimal digits`);
    return ESCAPES[escaped] ?? escaped;
  });
}
