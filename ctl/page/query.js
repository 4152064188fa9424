// The query that a person means: what is typed, the kind that is chosen, and the filters.

export const KINDS = [
  { id: "all", label: "All", hint: "Names and texts with these words; names first" },
  { id: "name", label: "Names", hint: "Words of a name, a pattern such as *.pdf, or a whole name" },
  { id: "text", label: "Text", hint: "Words and \u201cquoted phrases\u201d inside files" },
  { id: "grep", label: "Lines", hint: "A regular expression, matched against each line" },
];

export const SIZES = [["", "Any size"], ["<100k", "Below 100 KiB"], [">1M", "Above 1 MiB"], [">10M", "Above 10 MiB"], [">100M", "Above 100 MiB"], [">1G", "Above 1 GiB"]];

export const AGES = [["", "Any time"], ["1d", "Last day"], ["7d", "Last week"], ["30d", "Last month"], ["365d", "Last year"]];

export function build({ text, kind, ext, size, age }) {
  const typed = text.trim();
  const own = /^[a-z][a-z0-9_-]*:/.test(typed);
  const parts = [own || kind === "all" ? typed : `${kind}:${typed}`];
  const endings = ext.split(/[\s,;]+/).map((ending) => ending.replace(/^[*.]+/, "")).filter((ending) => /^[\p{L}\p{N}_+-]+$/u.test(ending));
  if (endings.length > 0) parts.push(`ext:${endings.join(",")}`);
  if (size) parts.push(`size:${size}`);
  if (age) parts.push(`after:${age}`);
  return parts.join(" ");
}

// What an address says of a search, and back. The order of the rows is no part of what is searched for.
const FIELDS = ["kind", "ext", "size", "age", "reach"];

const USUAL = { kind: "name", ext: "", size: "", age: "", reach: "normal", sort: "best" };

export function written(search) {
  const params = new URLSearchParams({ q: search.text });
  for (const field of [...FIELDS, "sort"]) if (search[field] !== USUAL[field]) params.set(field, search[field]);
  return `#/search?${params}`;
}

export function read(query) {
  const params = new URLSearchParams(query);
  const one = (field, all) => (all.includes(params.get(field)) ? params.get(field) : USUAL[field]);
  return {
    text: (params.get("q") ?? "").trim(), ext: params.get("ext") ?? "",
    kind: one("kind", KINDS.map(({ id }) => id)), size: one("size", SIZES.map(([value]) => value)), age: one("age", AGES.map(([value]) => value)),
    reach: one("reach", ["normal", "sure"]), sort: one("sort", ["best", "name", "size", "age"]),
  };
}

// Whether two searches bring the same.
export function same(one, other) {
  return one !== null && other !== null && one.text === other.text && FIELDS.every((field) => one[field] === other[field]);
}

// The words to mark in names.
export function wordsOf(text, kind) {
  if ((kind !== "name" && kind !== "all") || /^[a-z][a-z0-9_-]*:/.test(text.trim())) return [];
  return text.toLowerCase().split(/[\s*?[\]{}"/]+/).filter((word) => word.length > 1);
}
