// Reads a mail's HTML and prints, as JSON, what of it some mail programs can't do: { program: [feature, …] }.
// The table is caniemail.com's, which comes with the package; nothing is fetched.
import { readFileSync } from "node:fs";
import { caniemail } from "caniemail";

const clients = ["gmail.desktop-webmail", "gmail.ios", "gmail.android", "outlook.*", "apple-mail.*"];
const { issues } = caniemail({ clients, html: readFileSync(0, "utf8") });
const unsupported = [...issues.errors].map(([client, found]) => [client, [...new Set(found.map((it) => it.title))].sort()]);
console.log(JSON.stringify(Object.fromEntries(unsupported)));
