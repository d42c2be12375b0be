// Shows a mail's HTML in Chromium as a telephone and a desk have it, by day and by night. Leaves a picture of each in the
// folder that is named, and prints, as JSON, what is wrong: { "400-dark": ["color-contrast: td > p", …], … }.
// axe-core knows what people need who see little or nothing: https://dequeuniversity.com/rules/axe/.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { AxeBuilder } from "@axe-core/playwright";
import { chromium } from "playwright-core";

const html = readFileSync(0, "utf8");
const folder = process.argv[2];
// Tests run as root, whom Chromium's sandbox refuses; and no host is known to it, not for its own errands either.
const args = ["--host-resolver-rules=MAP * ~NOTFOUND"];
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", chromiumSandbox: false, args });
const page = await (await browser.newContext({ offline: true })).newPage();
// A picture that is fetched tells its server who reads, and when.
const asked = [];
page.on("request", (request) => asked.push(`asks for ${request.url()}`));
await page.setContent(html);
const found = {};
for (const width of [400, 800]) {
    for (const colorScheme of ["light", "dark"]) {
        await page.setViewportSize({ width, height: 900 });
        await page.emulateMedia({ colorScheme });
        const wrong = [];
        const spill = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        if (spill > 0) wrong.push(`${spill} pixels wider than the window`);
        const ground = await page.evaluate(brightness);
        if (ground > 0.5 !== (colorScheme === "light")) wrong.push(`its ground is ${ground.toFixed(2)} of white`);
        // The landmarks are those of the program that shows the mail. Legacy mode opens no second page to judge frames in.
        const axe = new AxeBuilder({ page }).disableRules(["landmark-one-main", "region"]).setLegacyMode();
        const { violations } = await axe.analyze();
        wrong.push(...violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.target.join(" ")}`)));
        await page.screenshot({ path: join(folder, `${width}-${colorScheme}.png`), fullPage: true });
        found[`${width}-${colorScheme}`] = [...wrong, ...asked];
    }
}
await browser.close();
console.log(JSON.stringify(found));

// How bright the page's corner is, from 0 to 1.
function brightness() {
    let element = document.elementFromPoint(1, 1);
    const colour = () => getComputedStyle(element).backgroundColor.match(/[\d.]+/g).map(Number);
    while (colour()[3] === 0 && element.parentElement) element = element.parentElement;
    const [red, green, blue, alpha = 1] = colour();
    return alpha === 0 ? 1 : (0.2126 * red + 0.7152 * green + 0.0722 * blue) / 255;
}
