// Numbers and times in the reader's locale.

const whole = new Intl.NumberFormat();
const short = new Intl.NumberFormat(undefined, { maximumSignificantDigits: 3 });
const percents = new Intl.NumberFormat(undefined, { style: "percent", maximumFractionDigits: 0 });
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const ago = new Intl.RelativeTimeFormat(undefined, { numeric: "auto", style: "short" });

// Powers of 1024, as in `ctl` and in `size:` of a query.
const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

export function count(value) {
  return whole.format(value);
}

export function counted(value, one, many) {
  return `${whole.format(value)} ${value === 1 ? one : many}`;
}

export function bytes(value) {
  let unit = 0;
  let left = value;
  while (left >= 1024 && unit < UNITS.length - 1) {
    left /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? whole.format(left) : short.format(left)}\u00a0${UNITS[unit]}`;
}

export function percent(part) {
  return percents.format(Math.min(1, part));
}

export function time(value) {
  return moment.format(value);
}

export function timeOfDay(value) {
  return clock.format(value);
}

const STEPS = [["second", 60], ["minute", 60], ["hour", 24], ["day", 7]];

// A time near now in words, others as a date.
export function when(value) {
  let left = (value - Date.now()) / 1000;
  if (Math.abs(left) > 7 * 24 * 3600) return day.format(value);
  for (const [unit, size] of STEPS) {
    if (Math.abs(left) < size) return ago.format(Math.round(left), unit);
    left /= size;
  }
  return day.format(value);
}

export function duration(seconds) {
  if (!Number.isFinite(seconds)) return "";
  const total = Math.max(0, Math.round(seconds));
  const [hours, minutes, rest] = [Math.floor(total / 3600), Math.floor(total / 60) % 60, total % 60];
  if (hours >= 48) return `${count(Math.floor(hours / 24))} d ${hours % 24} h`;
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min ${rest} s` : `${rest} s`;
}

export function milliseconds(value) {
  return value < 1 ? "<\u20091\u00a0ms" : `${count(value)}\u00a0ms`;
}

// The names that nodes give themselves, by URL. Nothing proves them, and two nodes may have the same one.
const names = new Map();
const NAMES_KEPT = 4096;

export function learnName(url, name) {
  if (typeof name !== "string" || name === "") names.delete(url);
  else if (names.has(url) || names.size < NAMES_KEPT) names.set(url, name);
}

// A node by its name, or by its address if it has none.
export function node(url) {
  return names.get(url) ?? host(url);
}

// A node by its name and its address.
export function nodeInFull(url) {
  return names.has(url) ? `${names.get(url)} (${host(url)})` : host(url);
}

// A node by its address, without what all addresses have.
export function host(url) {
  return String(url).replace(/^http:\/\//, "").replace(/\/$/, "");
}
