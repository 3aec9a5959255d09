const HEX = "0123456789abcdef";
const CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

const random = (symbols: string, length: number) =>
  Array.from({ length }, () => symbols[Math.floor(Math.random() * symbols.length)]).join("");

export const randomHex = (length: number) => random(HEX, length);
export const randomDigits = (length: number) => random("0123456789", length);

export const randomUuid = () =>
  `${randomHex(8)}-${randomHex(4)}-4${randomHex(3)}-a${randomHex(3)}-${randomHex(12)}`;

const groups = (count: number, length: number) =>
  Array.from({ length: count }, () => random(CROCKFORD, length)).join("-");

/** Like `MAR-7F3-K2Q-X9C`. */
export const randomSupportCode = () => `MAR-${groups(3, 3)}`;

/** Like `7F3K-2QX9-HT4B`. */
export const randomRecoveryCode = () => groups(3, 4);

/** Typed symbols as the server reads them: O is 0, I and L are 1. */
export const readTyped = (text: string) =>
  text
    .toUpperCase()
    .replace(/[^0-9A-Z]/g, "")
    .replaceAll("O", "0")
    .replace(/[IL]/g, "1");
