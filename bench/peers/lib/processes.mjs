// Starts one measurement in a process of its own and reads the JSON object that it prints.
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

// llama.cpp, where a program does not keep a pool of threads for it, starts its threads anew for every step, and Linux
// often puts two of them on one processor until it notices some ticks later: every other step of a small model then takes
// three times as long. In the real-time class it notices at once. Octavo needs no such help and gets none.
const atOnce = ['chrt', '--rr', '1'];

export class Measurements {
  #octavo;
  #prefix;
  #peerPrefix;

  // `octavo` is a program or a .dll; `prefix` a command that each measurement is run through, such as taskset -c 0,1.
  constructor(octavo, prefix) {
    this.#octavo = octavo ?? path.join(here, '../../src/Octavo.Cli/bin/Release/net10.0/Octavo.Cli.dll');
    this.#prefix = prefix ? prefix.split(/\s+/) : [];
    this.#peerPrefix = spawnSync(atOnce[0], [...atOnce.slice(1), 'true']).status === 0 ? atOnce : [];
    if (this.#peerPrefix.length === 0) {
      process.stderr.write('chrt may not be used here: decode of llama.cpp may come out slower than it is (see README.md)\n');
    }

    if (!fs.existsSync(this.#octavo)) {
      throw new Error(`${this.#octavo} is not there: build it with dotnet build -c Release, or name another with --octavo`);
    }
  }

  octavo(...args) {
    return this.#run([...(this.#octavo.endsWith('.dll') ? ['dotnet', 'exec'] : []), this.#octavo, ...args]);
  }

  peer(script, ...args) {
    return this.#run([...this.#peerPrefix, process.execPath, path.join(here, script), ...args]);
  }

  async #run(command) {
    const [program, ...args] = [...this.#prefix, ...command];
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    let errors = '';
    child.stdout.on('data', (data) => (output += data));
    child.stderr.on('data', (data) => (errors += data));
    const code = await new Promise((resolve, reject) => child.on('error', reject).on('close', resolve));
    if (code !== 0) {
      throw new Error(`${command.join(' ')} ended with ${code}:\n${errors}`);
    }

    return JSON.parse(output);
  }
}
