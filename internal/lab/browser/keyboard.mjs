// A page without a mouse.

import { setTimeout as sleep } from 'node:timers/promises'

/** How often Tab is pressed at most to come around a page. */
const ROUND = 1500

/** Presses Tab until a control has the focus, and fails if it never has. */
async function reach (page, control) {
  for (let i = 0; i < ROUND; i++) {
    if (await control.evaluate(e => e === document.activeElement)) return
    await page.keyboard.press('Tab')
  }
  throw new Error(`Tab does not reach ${control}`)
}

/** Goes to a control and presses a key. */
export async function press (page, control, key) {
  await reach(page, control)
  await page.keyboard.press(key)
}

/** Goes to a control and enters a value. */
export async function enter (page, control, value) {
  await reach(page, control)
  switch (await control.evaluate(e => e.type)) {
    case 'checkbox':
      if (await control.isChecked() !== (value === 'yes')) await page.keyboard.press('Space')
      return
    case 'select-one': {
      const text = await control.locator(`option[value="${value}"]`).innerText()
      return page.keyboard.type(text)
    }
    default:
      await page.keyboard.press('Control+A')
      return page.keyboard.type(value)
  }
}

/** All that somebody can use, also what is folded away. */
const CONTROLS = 'a[href], button, input:not([type=hidden]), select, textarea, summary'

/**
 * Goes around a page with Tab, opens what is folded on the way, and returns how many controls there
 * are, those that were not reached, and those on which nobody can see that they have the focus.
 */
export async function around (page) {
  const all = await page.locator(CONTROLS).count()
  const reached = new Set()
  const unseen = new Set()
  for (let i = 0; i < ROUND; i++) {
    await page.keyboard.press('Tab')
    let at = await page.evaluate(focus, CONTROLS)
    if (!at) continue
    if (!at.visible) { // the page is about to move there
      await sleep(200)
      at = await page.evaluate(focus, CONTROLS) ?? at
    }
    if (reached.has(at.index)) break
    reached.add(at.index)
    if (!at.visible) unseen.add(at.name)
    if (at.folded) await page.keyboard.press('Enter')
  }
  const missed = await page.evaluate(([controls, indexes]) => [...document.querySelectorAll(controls)]
    .filter((_, i) => !indexes.includes(i)).map(e => e.outerHTML.slice(0, 120)), [CONTROLS, [...reached]])
  return { controls: all, missed, unseen: [...unseen] }
}

/** What has the focus now, as a function that runs in the page. */
function focus (controls) {
  const e = document.activeElement
  const index = [...document.querySelectorAll(controls)].indexOf(e)
  if (index < 0) return null
  const style = getComputedStyle(e)
  const box = e.getBoundingClientRect()
  const onScreen = box.width > 0 && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth
  const outlined = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2
  const folded = e.tagName === 'SUMMARY' && !e.parentElement.open
  return { index, folded, visible: onScreen && outlined, name: e.outerHTML.slice(0, 120) }
}
