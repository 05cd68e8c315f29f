// Drives one chromium on one device of the lab. Each line of standard input is a step,
// {"step": NAME, ...}, and each line of standard output what came of it: {"show": ...},
// or {"error": TEXT}. It ends when standard input does.
//
// The first argument says with what, as JSON: see Browser.start.

import readline from 'node:readline'
import { Browser } from './browser.mjs'
import * as steps from './steps.mjs'
import * as checks from './checks.mjs'

const browser = await Browser.start(JSON.parse(process.argv[2]))
for await (const line of readline.createInterface({ input: process.stdin })) {
  const { step, ...question } = JSON.parse(line)
  let answer
  try {
    const does = steps[step] ?? checks[step]
    if (!does) throw new Error(`there is no step ${step}`)
    answer = { show: await does(browser, question) ?? null }
  } catch (problem) {
    answer = { error: String(problem) }
  }
  process.stdout.write(JSON.stringify(answer) + '\n')
}
await browser.close()
