// What is asked of every page.

import { readFile } from 'node:fs/promises'
import { around } from './keyboard.mjs'
import { send } from './steps.mjs'

/** A phone and a screen, in pixels. */
const WIDTHS = [390, 1280]
const THEMES = ['light', 'dark']

/** The least side of what a finger has to hit, in pixels. */
const FINGER = 44

const axe = await readFile(new URL(import.meta.resolve('axe-core/axe.min.js')), 'utf8')

/**
 * Looks at a page in both widths and themes, writes pictures of it, but for the wide and dark one, into
 * dir as NAME-WIDTH-THEME.png if there is a dir, and returns what is wrong with it. A page that is the answer to a form is got by
 * sending it: see send.
 */
export async function survey (browser, { who, url, form, name, dir }) {
  const page = await browser.window(who)
  const wrong = []
  let controls = 0
  for (const theme of THEMES) {
    await page.emulateMedia({ colorScheme: theme })
    for (const width of WIDTHS) {
      await page.setViewportSize({ width, height: 800 })
      if (form) await send(browser, { who, ...form })
      else await page.goto(new URL(url, browser.box).href)
      if (dir && (width === WIDTHS[0] || theme === THEMES[0])) {
        await page.screenshot({ path: `${dir}/${name}-${width}-${theme}.png`, fullPage: true })
      }
      const at = `${theme}, ${width} px: `
      wrong.push(...(await accessible(page)).map(text => at + text))
      if (theme === THEMES[0]) {
        wrong.push(...(await fits(page)).map(text => at + text))
        const keys = await around(page)
        controls = keys.controls
        wrong.push(...keys.missed.map(e => `${at}Tab does not reach ${e}`), ...keys.unseen.map(e => `${at}the focus is not seen on ${e}`))
        // and once more with all that was folded
        wrong.push(...(await fits(page)).map(text => `${at}unfolded: ${text}`))
        wrong.push(...(await accessible(page)).map(text => `${at}unfolded: ${text}`))
      }
    }
  }
  await page.emulateMedia({ colorScheme: 'light' })
  await page.setViewportSize({ width: 1280, height: 800 })
  return { controls, wrong: [...new Set(wrong)] }
}

/** What axe calls serious or critical. */
async function accessible (page) {
  await page.evaluate(axe)
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }))
  return violations.filter(v => v.impact === 'serious' || v.impact === 'critical')
    .map(v => `${v.impact}: ${v.help}: ${v.nodes.map(n => `${n.html.slice(0, 120)} (${n.failureSummary})`).join('; ')}`)
}

/** What stands out of the page to the side, and on a phone what is too small for a finger. */
async function fits (page) {
  return page.evaluate(finger => {
    const wrong = []
    const wide = document.documentElement
    if (wide.scrollWidth > wide.clientWidth) wrong.push(`the page is ${wide.scrollWidth} px wide`)
    const inset = e => e.getBoundingClientRect().right - parseFloat(getComputedStyle(e).paddingRight)
    for (const e of document.querySelectorAll('.card :is(button, input:not([type=hidden]), select, textarea, fieldset, .wide)')) {
      const out = e.getBoundingClientRect().right - inset(e.closest('.card'))
      if (e.checkVisibility() && out > 1) wrong.push(`stands ${Math.round(out)} px out of its card: ${e.outerHTML.slice(0, 120)}`)
    }
    if (innerWidth > 500) return wrong
    for (const e of document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary')) {
      const target = e.type === 'checkbox' ? e.closest('label') : e
      const box = target.getBoundingClientRect()
      const shown = e.checkVisibility() && box.right > 0
      const inText = e.tagName === 'A' && getComputedStyle(e).display === 'inline' // WCAG 2.2, 2.5.8, "Inline"
      if (shown && !inText && (box.height < finger - 0.5 || box.width < finger - 0.5)) {
        wrong.push(`${Math.round(box.width)} × ${Math.round(box.height)} px are too small for a finger: ${e.outerHTML.slice(0, 120)}`)
      }
    }
    return wrong
  }, FINGER)
}
