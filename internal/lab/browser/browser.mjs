// A browser on a device, with a window for each person who uses it.

import { chromium } from 'playwright-core'

/** How long a page of the box may take in milliseconds; what is asked may change the box. */
const PATIENCE = 60_000

/** What chromium writes on its console when an answer is no page that was hoped for. */
const REFUSED = /^Failed to load resource: the server responded with a status of/

/** A name of somebody else's that leads to the box of household A, as an attacker's DNS would have it. */
const REBOUND = 'MAP attacker.example 192.168.77.1'

/** Names that chromium would ask for by itself, whatever page it shows: its maker's. */
const OWN_QUESTIONS = ['googleapis.com', 'google.com', 'gvt1.com'].map(domain => `MAP *.${domain} ~NOTFOUND`)

export class Browser {
  #people = new Map()
  #chromium

  /** Everything that any page has asked for since it was last looked at: {method, url}. */
  requests = []
  /** What should not happen: scripts that ask something, errors, and what a policy forbade. */
  problems = []

  /**
   * Starts chromium. box is where the box's pages are ("https://box.home.arpa"), and strange says that
   * nobody knows who has signed its certificate, as in a test that has no house.
   */
  static async start ({ program, box, strange = false }) {
    const browser = new Browser()
    browser.box = box
    browser.strange = strange
    browser.#chromium = await chromium.launch({ executablePath: program, args: ['--host-resolver-rules=' + [REBOUND, ...OWN_QUESTIONS].join()] })
    return browser
  }

  close () { return this.#chromium.close() }

  /** The window of somebody; each has their own cookies. */
  async window (who) {
    who ||= 'somebody'
    if (!this.#people.has(who)) this.#people.set(who, await this.#open())
    return this.#people.get(who)
  }

  async #open () {
    const context = await this.#chromium.newContext({
      viewport: { width: 1280, height: 800 }, locale: 'en-GB', ignoreHTTPSErrors: this.strange, reducedMotion: 'reduce'
    })
    context.setDefaultTimeout(PATIENCE)
    context.on('request', request => {
      if (!request.url().startsWith('data:')) this.requests.push({ method: request.method(), url: request.url() })
    })
    context.on('page', page => this.#listen(page))
    return context.newPage()
  }

  #listen (page) {
    page.on('dialog', async dialog => {
      this.problems.push(`a dialog (${dialog.type()}) says ${dialog.message()}`)
      await dialog.dismiss()
    })
    page.on('pageerror', error => this.problems.push(`an error of a script: ${error}`))
    page.on('console', message => {
      if (message.type() === 'error' && !REFUSED.test(message.text())) this.problems.push(`the console: ${message.text()}`)
    })
  }
}
