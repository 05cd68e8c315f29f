// What people do in a browser. Each step gets the browser and its question, and returns
// what a test looks at.

import { setTimeout as sleep } from 'node:timers/promises'
import { codeOf, momentOf } from './code.mjs'
import * as keyboard from './keyboard.mjs'

/** What somebody sees now. */
async function seen (page, answer) {
  return {
    url: page.url(),
    status: answer?.status() ?? 0,
    language: await page.locator('html').getAttribute('lang'),
    title: await page.title(),
    text: await page.locator('body').innerText(),
    alert: (await page.locator('[role=alert], [role=status]').allInnerTexts()).join('\n')
  }
}

/** Opens an address, or a path of the box. */
export async function open (browser, { who, url }) {
  const page = await browser.window(who)
  const answer = await page.goto(new URL(url, browser.box).href)
  return seen(page, answer)
}

/** What somebody sees now. */
export async function look (browser, { who }) { return seen(await browser.window(who)) }

/** Clicks a link, or a button outside forms, by its text. */
export async function click (browser, { who, link }) {
  const page = await browser.window(who)
  const [answer] = await Promise.all([page.waitForNavigation(), page.getByRole('link', { name: link, exact: true }).click()])
  return seen(page, answer)
}

/** The form with an action, in which some fields have the values that are given in where. */
async function formOf (page, action, where = {}) {
  let form = page.locator(`form[action="${action}"]`)
  for (const [name, value] of Object.entries(where)) {
    form = form.filter({ has: page.locator(`[name="${name}"][value="${value}"]`) })
  }
  return form.first()
}

/** Opens what a form is folded away in. */
async function unfold (page, form, keys) {
  const details = form.locator('xpath=ancestor::details[not(@open)]')
  for (let i = await details.count() - 1; i >= 0; i--) {
    const summary = details.nth(i).locator('summary').first()
    if (keys) await keyboard.press(page, summary, 'Enter')
    else await summary.click()
  }
}

/** Fills a form in and sends it, with the mouse, or with nothing but keys. */
export async function send (browser, { who, url, action, where, fields = {}, keys = false }) {
  const page = await browser.window(who)
  if (url) await page.goto(new URL(url, browser.box).href)
  const form = await formOf(page, action, where)
  await unfold(page, form, keys)
  for (const [name, value] of Object.entries(fields)) {
    const control = form.locator(`[name="${name}"]`)
    if (keys) await keyboard.enter(page, control, value)
    else await enter(control, value)
  }
  const button = form.locator('button').first()
  const [answer] = await Promise.all([page.waitForNavigation(), keys ? keyboard.press(page, button, 'Enter') : button.click()])
  return seen(page, answer)
}

async function enter (control, value) {
  switch (await control.evaluate(e => e.type)) {
    case 'select-one': return control.selectOption(value)
    case 'checkbox': return control.setChecked(value === 'yes')
    default: return control.fill(value)
  }
}

/** The second factors that people have set up, with the moment of the last code. */
const secrets = new Map()

/** Logs somebody in, who sets their codes up if the box asks for it. */
export async function login (browser, { who, password, keys }) {
  const known = secrets.get(who)
  const fields = { name: who, password }
  if (known) fields.code = await freshCode(known)
  const answer = await send(browser, { who, url: '/login', action: '/login', fields, keys })
  const page = await browser.window(who)
  const form = page.locator('form[action="/enrol"]')
  if (await form.count() === 0) return answer
  const secret = (await page.locator('dd.key').first().innerText()).trim()
  const own = { secret, last: 0 }
  secrets.set(who, own)
  return send(browser, { who, action: '/enrol', fields: { code: await freshCode(own) }, keys })
}

/** A code that was not used yet: each is good once. */
async function freshCode (own) {
  while (momentOf(Date.now()) <= own.last) await sleep(500)
  own.last = momentOf(Date.now())
  return codeOf(own.secret, own.last)
}

/** Logs somebody out. */
export async function logout (browser, { who }) { return send(browser, { who, url: '/', action: '/logout' }) }

/** The cookies of somebody, and what scripts of a page could read of them. */
export async function cookies (browser, { who }) {
  const page = await browser.window(who)
  return { list: await page.context().cookies(), read: await page.evaluate(() => document.cookie) }
}

/** How many elements on the page a CSS selector finds. */
export async function count (browser, { who, selector }) { return (await browser.window(who)).locator(selector).count() }

/** What a control has, or what an element says, that a CSS selector finds first. */
export async function value (browser, { who, selector }) {
  return (await browser.window(who)).locator(selector).first().evaluate(e => e.value ?? e.textContent)
}

/** What all pages have asked for and what should not have happened, since this was last asked. */
export async function heard (browser) {
  const heard = { requests: browser.requests, problems: browser.problems }
  browser.requests = []
  browser.problems = []
  return heard
}
