// Reads a mail's HTML and prints, as JSON, what of it some mail programs can't do, or can do in part:
// { program: { lacking: [feature, …], partial: [feature, …] } }.
// The table is caniemail.com's, which comes with the package; nothing is fetched.
import { readFileSync } from "node:fs";
import { caniemail } from "caniemail";

const clients = ["gmail.desktop-webmail", "gmail.ios", "gmail.android", "outlook.*", "apple-mail.*"];
const { issues } = caniemail({ clients, html: readFileSync(0, "utf8") });
const titles = (found = []) => [...new Set(found.map((it) => it.title))].sort();
const programs = new Set([...issues.errors.keys(), ...issues.warnings.keys()]);
const support = [...programs].map((it) => [it, { lacking: titles(issues.errors.get(it)), partial: titles(issues.warnings.get(it)) }]);
console.log(JSON.stringify(Object.fromEntries(support)));
