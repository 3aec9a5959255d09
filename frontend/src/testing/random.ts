const HEX = "0123456789abcdef";
const CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

const random = (symbols: string, length: number) =>
  Array.from({ length }, () => symbols[Math.floor(Math.random() * symbols.length)]).join("");

export const randomHex = (length: number) => random(HEX, length);
export const randomDigits = (length: number) => random("0123456789", length);

export const randomUuid = () =>
  `${randomHex(8)}-${randomHex(4)}-4${randomHex(3)}-a${randomHex(3)}-${randomHex(12)}`;

/** A support or recovery code, in groups of four characters. */
export const randomCode = (groups: number) =>
  Array.from({ length: groups }, () => random(CROCKFORD, 4)).join("-");
