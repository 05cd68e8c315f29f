// What a program for codes on a phone computes (RFC 6238, RFC 4648 for the secret).

import { createHmac } from 'node:crypto'

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
const PERIOD = 30_000

function bytesOf (secret) {
  let bits = ''
  for (const letter of secret) bits += LETTERS.indexOf(letter).toString(2).padStart(5, '0')
  return Buffer.from(bits.match(/.{8}/g).map(byte => parseInt(byte, 2)))
}

/** The moment that a code belongs to. */
export const momentOf = time => Math.floor(time / PERIOD)

/** The code of a moment. */
export function codeOf (secret, moment) {
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(moment))
  const sum = createHmac('sha1', bytesOf(secret)).update(counter).digest()
  const number = sum.readUInt32BE(sum.at(-1) & 0x0f) & 0x7fffffff
  return String(number % 1_000_000).padStart(6, '0')
}
