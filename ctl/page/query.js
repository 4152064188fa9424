// The query that a person means: what is typed, the kind that is chosen, and the filters.

export const KINDS = [
  { id: "name", label: "Names", hint: "Words of a name, a pattern such as *.pdf, or a whole name" },
  { id: "text", label: "Text", hint: "Words and \u201cquoted phrases\u201d inside files" },
  { id: "grep", label: "Lines", hint: "A regular expression, matched against each line" },
];

export const SIZES = [["", "Any size"], ["<100k", "Below 100 KiB"], [">1M", "Above 1 MiB"], [">10M", "Above 10 MiB"], [">100M", "Above 100 MiB"], [">1G", "Above 1 GiB"]];

export const AGES = [["", "Any time"], ["1d", "Last day"], ["7d", "Last week"], ["30d", "Last month"], ["365d", "Last year"]];

export function build({ text, kind, ext, size, age }) {
  const typed = text.trim();
  const own = /^[a-z][a-z0-9_-]*:/.test(typed);
  const parts = [own ? typed : `${kind}:${typed}`];
  const endings = ext.split(/[\s,;]+/).map((ending) => ending.replace(/^[*.]+/, "")).filter((ending) => /^[\p{L}\p{N}_+-]+$/u.test(ending));
  if (endings.length > 0) parts.push(`ext:${endings.join(",")}`);
  if (size) parts.push(`size:${size}`);
  if (age) parts.push(`after:${age}`);
  return parts.join(" ");
}

// The words to mark in names.
export function wordsOf(text, kind) {
  if (kind !== "name" || /^[a-z][a-z0-9_-]*:/.test(text.trim())) return [];
  return text.toLowerCase().split(/[\s*?[\]{}"/]+/).filter((word) => word.length > 1);
}
