"use strict";
/* Whatever comes from the model or the API is set as text, never as HTML. */
const base = location.pathname.endsWith("/") ? location.pathname : location.pathname + "/";
const at = (id) => document.getElementById(id);
const JSON_NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?(e[+-]?\d+)?$/i;
const ANY_NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const NOUNS = { number: "a number", integer: "a whole number", string: "text", boolean: "true or false", datetime: "a time, in UTC" };
const SHOWN = 200;
let key = "";
let model = null;
let fields = [];
let example = 0;
let language = "curl";
let table = null;

function make(tag, properties = {}, ...children) {
  const { attributes = {}, ...rest } = properties;
  const element = Object.assign(document.createElement(tag), rest);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function say(element, text) {
  element.textContent = text;
  element.hidden = !text;
}

/* ---- the API ---- */

async function ask(path, body) {
  const headers = { Accept: "application/json" };
  if (key) headers["x-api-key"] = key;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const began = performance.now();
  try {
    const response = await fetch(base + path, { method: body === undefined ? "GET" : "POST", headers, body, cache: "no-store" });
    const text = await response.text();
    let content = null;
    try { content = JSON.parse(text); } catch { /* said below */ }
    if (content === null) content = { detail: `The answer is no JSON (status ${response.status}).` };
    return { ok: response.ok, status: response.status, content, took: performance.now() - began };
  } catch (error) {
    return { ok: false, status: 0, content: { detail: `The API does not answer (${error.message}): try again.` }, took: 0 };
  }
}

/* The gateway refuses a body that does not fit its schema without naming a field. The function names it: it is asked by
   the path whose bodies the gateway does not check. */
async function predict(body) {
  const answer = await ask("predict", body);
  if (answer.status !== 400 || wrong(answer).some((each) => each.path.length)) return answer;
  const named = await ask("invocations", body);
  return wrong(named).length ? named : answer;
}

function wrong(answer) {
  const errors = Array.isArray(answer.content.errors) ? answer.content.errors : [];
  return errors.map((each) => ({ detail: each.detail, path: parts(each.pointer || "#") }));
}

function parts(pointer) {
  return pointer.split("/").slice(1).map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
}

/* ---- values ---- */

/* The JSON of a text; null leaves the feature out, which is a missing value where the model takes those. Digits stay as
   they were written: a number of JavaScript does not hold every integer. */
function literal(feature, text) {
  if (feature.type === "string") return JSON.stringify(text);
  const word = text.trim();
  if (!word) return null;
  if (feature.type === "boolean" && /^(true|false)$/i.test(word)) return word.toLowerCase();
  if (feature.type === "number" || feature.type === "integer") {
    if (JSON_NUMBER.test(word)) return word;
    if (ANY_NUMBER.test(word) && Number.isFinite(Number(word))) return String(Number(word));
  }
  return JSON.stringify(word);
}

/* A JSON object, on lines of their own where `indent` says how far its end is moved in. */
function members(pairs, indent = null) {
  const given = pairs.filter(([, value]) => value !== null).map(([name, value]) => `${JSON.stringify(name)}: ${value}`);
  return indent !== null && given.length ? `{\n${given.map((each) => `${indent}  ${each}`).join(",\n")}\n${indent}}` : `{${given.join(", ")}}`;
}

function shown(value) {
  if (typeof value === "number" && !Number.isInteger(value)) return String(Number(value.toPrecision(6)));
  return typeof value === "string" ? value : JSON.stringify(value);
}

/* ---- the fields ---- */

function seen(feature) {
  const values = model.examples.map((each) => each.input[feature.name]);
  return values.filter((value) => value !== null && value !== undefined);
}

function hint(feature) {
  if (feature.categories || feature.type === "boolean") return "";
  const values = seen(feature);
  if (feature.type === "number" || feature.type === "integer") {
    const [low, high] = [Math.min(...values), Math.max(...values)];
    if (values.length && low < high) return `${shown(low)} to ${shown(high)} in the examples`;
  }
  return NOUNS[feature.type] || feature.type;
}

function control(feature, id) {
  const choices = feature.categories || (feature.type === "boolean" ? [true, false] : null);
  if (choices) {
    const select = make("select", { id });
    select.append(make("option", { value: "", textContent: feature.nullable ? "missing" : "choose" }));
    for (const choice of choices) select.append(make("option", { value: JSON.stringify(choice), textContent: shown(choice) }));
    return { input: select, read: () => select.value || null, write: (value) => { select.value = value === null ? "" : JSON.stringify(value); } };
  }
  if (feature.type === "datetime") {
    const input = make("input", { id, type: "datetime-local", step: "any", max: "9999-12-31T23:59" });
    const write = (value) => {
      const time = new Date(value);
      input.value = value === null || Number.isNaN(time.getTime()) ? "" : time.toISOString().slice(0, 23).replace(/(:00)?\.000$/, "");
    };
    const seconds = (value) => (/T\d\d:\d\d$/.test(value) ? `${value}:00Z` : `${value}Z`);
    return { input, read: () => (input.value ? JSON.stringify(seconds(input.value)) : null), write };
  }
  const isText = feature.type === "string";
  const isLong = isText && model.signature.features.length === 1;
  const input = isLong ? make("textarea", { id, rows: 4 }) : make("input", { id, type: "text", autocomplete: "off" });
  if (!isText) input.inputMode = feature.type === "integer" ? "numeric" : "decimal";
  input.spellcheck = false;
  return { input, isLong, read: () => literal(feature, input.value), write: (value) => { input.value = value === null ? "" : shownWhole(value); } };
}

function shownWhole(value) {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function field(feature, index) {
  const id = `field-${index}`;
  const made = control(feature, id);
  const said = make("p", { className: "hint", id: `${id}-hint`, textContent: hint(feature) });
  said.hidden = !said.textContent;
  const error = make("p", { className: "error", id: `${id}-error`, hidden: true });
  made.input.setAttribute("aria-describedby", `${id}-error ${id}-hint`);
  if (!feature.nullable) made.input.required = true;
  const label = make("div", { className: "label" }, make("label", { htmlFor: id, textContent: feature.name }));
  let gap = null;
  if (feature.nullable && made.input.tagName !== "SELECT") {
    gap = make("input", { type: "checkbox", attributes: { "aria-label": `${feature.name} is missing` } });
    gap.addEventListener("change", () => { made.input.disabled = gap.checked; changed(); });
    label.append(make("label", { className: "gap" }, gap, "missing"));
  }
  const box = make("div", { className: made.isLong ? "wide" : "" }, label, made.input, error, said);
  const changed = () => { mark(""); snippet(); };
  const mark = (text) => {
    say(error, text);
    if (text) made.input.setAttribute("aria-invalid", "true");
    else made.input.removeAttribute("aria-invalid");
  };
  made.input.addEventListener("input", changed);
  return {
    feature, box, mark,
    focus: () => (gap && gap.checked ? gap : made.input).focus(),
    read: () => (gap && gap.checked ? "null" : made.read()),
    write: (value) => {
      const isMissing = value === null || value === undefined;
      if (gap) { gap.checked = isMissing; made.input.disabled = isMissing; }
      made.write(isMissing ? null : value);
      mark("");
    },
  };
}

function fill(input) {
  for (const each of fields) each.write(input[each.feature.name]);
  snippet();
}

const pairs = () => fields.map((each) => [each.feature.name, each.read()]);

/* ---- answers ---- */

function bars(probabilities) {
  const entries = Object.entries(probabilities).sort((one, other) => other[1] - one[1]);
  return make("ul", { className: "bars" }, ...entries.map(([label, share], index) => {
    const filled = make("span", { className: "fill" });
    filled.style.width = `${Math.max(0, Math.min(1, share)) * 100}%`;
    const track = make("span", { className: "track", attributes: { "aria-hidden": "true" } }, filled);
    return make("li", { className: index ? "" : "top" }, make("span", { textContent: label }), make("span", { textContent: `${(share * 100).toFixed(1)} %` }), track);
  }));
}

function listed(pairs) {
  return make("dl", { className: "metrics" }, ...pairs.flatMap(([name, value]) => [make("dt", { textContent: name }), make("dd", { textContent: shown(value) })]));
}

function outcome(prediction) {
  const { label, value, probabilities, model: _name, version: _version, ...others } = prediction;
  const found = label !== undefined ? label : value;
  const made = [];
  if (found !== undefined) made.push(make("p", { className: "result", textContent: Array.isArray(found) ? found.map(shown).join(", ") : shown(found) }));
  if (probabilities) made.push(...(Array.isArray(probabilities) ? probabilities : [probabilities]).map(bars));
  if (Object.keys(others).length) made.push(listed(Object.entries(others)));
  return made;
}

function notify(version) {
  const isOther = version !== undefined && version !== model.version;
  say(at("notice"), isOther ? `Version ${version} answers by now; this page shows version ${model.version}. Reload it to see what changed.` : "");
}

async function busy(button, work) {
  if (button.getAttribute("aria-disabled") === "true") return;
  button.setAttribute("aria-disabled", "true");
  try { await work(); } finally { button.removeAttribute("aria-disabled"); }
}

async function predictOne() {
  for (const each of fields) each.mark("");
  const answer = await predict(members(pairs()));
  if (answer.ok) {
    const { version } = answer.content;
    const meta = make("p", { className: "meta", textContent: `Version ${version} · ${Math.round(answer.took)} ms` });
    at("answer").replaceChildren(...outcome(answer.content), meta);
    notify(version);
    return;
  }
  const others = [];
  let first = null;
  for (const each of wrong(answer)) {
    const found = fields.find((one) => one.feature.name === each.path[0]);
    if (found) { found.mark(each.detail); first = first || found; } else others.push(each.detail);
  }
  const lines = first && !others.length ? ["Some values do not fit; see the fields."] : [answer.content.detail || answer.content.message || `Status ${answer.status}.`, ...others];
  at("answer").replaceChildren(...lines.map((line) => make("p", { className: "error", textContent: line })));
  if (first) first.focus();
}

/* ---- many rows ---- */

function parsed(text) {
  const lines = [];
  let line = [], cell = "", quoted = false, any = false;
  const end = () => { if (any || line.length || cell) { line.push(cell); lines.push(line); } line = []; cell = ""; any = false; };
  for (let index = 0; index < text.length; index += 1) {
    const letter = text[index];
    if (quoted) {
      if (letter !== '"') cell += letter;
      else if (text[index + 1] === '"') { cell += '"'; index += 1; } else quoted = false;
    } else if (letter === '"' && !cell) { quoted = true; any = true; }
    else if (letter === ",") { line.push(cell); cell = ""; any = true; }
    else if (letter === "\n") end();
    else if (letter !== "\r") cell += letter;
  }
  end();
  return lines;
}

function written(cells) {
  return cells.map((cell) => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell)).join(",");
}

function instance(columns, line) {
  return members(columns.map((feature, index) => {
    const text = line[index];
    return [feature.name, text === "" && feature.nullable ? "null" : literal(feature, text)];
  }));
}

function cellsOf(prediction) {
  const cells = [];
  const { label, value, probabilities, ...others } = prediction;
  const found = label !== undefined ? label : value;
  if (found !== undefined) cells.push([label !== undefined ? "label" : "value", found]);
  const groups = probabilities ? (Array.isArray(probabilities) ? probabilities : [probabilities]) : [];
  groups.forEach((group, index) => {
    for (const [name, share] of Object.entries(group)) cells.push([`P(${groups.length > 1 ? `${index + 1}: ` : ""}${name})`, share]);
  });
  return [...cells, ...Object.entries(others)];
}

function draw({ columns, lines, answers, bad }) {
  const found = answers.length ? cellsOf(answers[0]).map(([name]) => name) : [];
  const head = ["", ...found, ...columns.map((each) => each.name)];
  const rows = lines.slice(0, SHOWN).map((line, index) => {
    const cells = line.map((text, column) => make("td", { textContent: text, className: bad.has(`${index}/${columns[column] ? columns[column].name : ""}`) || bad.has(`${index}/`) ? "wrong" : "" }));
    const given = answers[index] ? cellsOf(answers[index]).map(([, value], column) => make("td", { textContent: shown(value), className: column ? "" : "found" })) : [];
    return make("tr", {}, make("th", { scope: "row", textContent: String(index + 1) }), ...given, ...cells);
  });
  const more = lines.length > SHOWN ? `, of which the first ${SHOWN} are shown` : "";
  const state = answers.length ? `${lines.length} ${lines.length === 1 ? "row" : "rows"} answered by version ${table.version}${more}` : `${lines.length} ${lines.length === 1 ? "row" : "rows"}, nothing answered${more}`;
  const made = make("table", {}, make("caption", { textContent: state }), make("thead", {}, make("tr", {}, ...head.map((text, index) => (index ? make("th", { scope: "col", textContent: text }) : make("td"))))), make("tbody", {}, ...rows));
  at("rows").replaceChildren(make("div", { className: "scroll", tabIndex: 0, attributes: { role: "region", "aria-label": "Rows and answers" } }, made));
}

async function predictMany() {
  const complain = (text) => {
    say(at("csv-error"), text);
    if (text) at("csv").setAttribute("aria-invalid", "true"); else at("csv").removeAttribute("aria-invalid");
  };
  complain("");
  at("download").hidden = true;
  at("rows").replaceChildren();
  const { features } = model.signature;
  const lines = parsed(at("csv").value.replace(/^\ufeff/, ""));
  const sorted = (names) => JSON.stringify([...names].sort());
  const hasHeader = lines.length > 0 && sorted(lines[0]) === sorted(features.map((each) => each.name));
  const columns = hasHeader ? lines.shift().map((name) => features.find((each) => each.name === name)) : features;
  if (!lines.length) return complain("There is no row: paste some, or choose a file.");
  const odd = lines.findIndex((line) => line.length !== columns.length);
  if (odd >= 0) {
    table = { columns, lines, answers: [], bad: new Set([`${odd}/`]) };
    draw(table);
    return complain(`Row ${odd + 1} has ${lines[odd].length} values, ${columns.length} are needed.`);
  }
  const answer = await predict(`{"instances": [${lines.map((line) => instance(columns, line)).join(", ")}]}`);
  const errors = answer.ok ? [] : wrong(answer);
  const places = errors.map(({ path, detail }) => ({ row: Number(path[1]), name: path[2] || "", detail })).filter(({ row }) => Number.isInteger(row));
  const bad = new Set(places.map(({ row, name }) => `${row}/${name}`));
  table = { columns, lines, answers: answer.ok ? answer.content.predictions : [], version: answer.content.version, bad };
  draw(table);
  if (answer.ok) {
    at("download").hidden = false;
    return notify(answer.content.version);
  }
  complain(places.length ? places.map(({ row, name, detail }) => `Row ${row + 1}${name && `, ${name}`}: ${detail}`).join(" · ") : answer.content.detail || answer.content.message || `Status ${answer.status}.`);
  return at("csv").focus();
}

function download() {
  const found = cellsOf(table.answers[0]).map(([name]) => name);
  const head = [...table.columns.map((each) => each.name), ...found];
  const rows = table.lines.map((line, index) => [...line, ...cellsOf(table.answers[index]).map(([, value]) => shownWhole(value))]);
  const url = URL.createObjectURL(new Blob([[head, ...rows].map(written).join("\n") + "\n"], { type: "text/csv" }));
  make("a", { href: url, download: `${model.model}-${table.version}-answers.csv` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

function sample() {
  const { features } = model.signature;
  const rows = model.examples.slice(0, 5).map(({ input }) => features.map(({ name }) => (input[name] === null || input[name] === undefined ? "" : shownWhole(input[name]))));
  at("csv").value = [features.map((each) => each.name), ...rows].map(written).join("\n") + "\n";
}

/* ---- the same request ---- */

const LANGUAGES = {
  curl(url, sent) {
    const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
    return `curl ${quoted(url)} \\\n${key ? `  -H "x-api-key: $API_KEY" \\\n` : ""}  -H 'Content-Type: application/json' \\\n  -d ${quoted(sent)}`;
  },
  python(url, sent) {
    const headers = `{"Content-Type": "application/json"${key ? ', "x-api-key": os.environ["API_KEY"]' : ""}}`;
    return `import json\n${key ? "import os\n" : ""}import urllib.request\n\nbody = ${python()}\nrequest = urllib.request.Request(\n    ${JSON.stringify(url)},\n    data=json.dumps(body).encode(),\n    headers=${headers},\n)\nwith urllib.request.urlopen(request) as response:\n    print(json.load(response))`;
  },
  javascript(url, sent) {
    return `const response = await fetch(${JSON.stringify(url)}, {\n  method: "POST",\n  headers: { "Content-Type": "application/json"${key ? ', "x-api-key": API_KEY' : ""} },\n  body: JSON.stringify(${sent}),\n});\nconsole.log(await response.json());`;
  },
};

const CONSTANTS = { null: "None", true: "True", false: "False" };
const python = () => members(pairs().map(([name, value]) => [name, CONSTANTS[value] || value]), "");

function snippet() {
  at("snippet").textContent = LANGUAGES[language](new URL(base + "predict", location.href).href, members(pairs(), language === "javascript" ? "  " : ""));
}

function choose(tab) {
  for (const each of document.querySelectorAll("[role=tab]")) {
    each.setAttribute("aria-selected", String(each === tab));
    each.tabIndex = each === tab ? 0 : -1;
  }
  language = tab.id.replace("tab-", "");
  at("snippet").setAttribute("aria-labelledby", tab.id);
  snippet();
}

/* ---- the page ---- */

async function openApi() {
  if (!at("api").open || at("operations").children.length) return;
  const { ok, content } = await ask("openapi.json");
  if (!ok) return;
  for (const [path, methods] of Object.entries(content.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      at("operations").append(make("li", {}, make("code", {}, make("b", { textContent: method.toUpperCase() }), ` ${path}`), make("span", { textContent: operation.summary || "" })));
    }
  }
  say(at("openapi"), JSON.stringify(content, null, 2));
}

function show(described) {
  model = { ...described, examples: described.examples || [] };
  document.title = `Try ${model.model}`;
  say(at("name"), model.model);
  say(at("description"), model.description || "");
  const facts = [["version", model.version], ["estimator", model.estimator], ["published", (model.created_at || "").slice(0, 10)]].filter(([, value]) => value);
  at("facts").replaceChildren(...facts.map(([name, value]) => make("span", {}, `${name} `, make("b", { textContent: value }))));
  at("facts").hidden = false;
  const metrics = Object.entries(model.metrics || {});
  at("metrics").replaceChildren(...listed(metrics).childNodes);
  at("metrics-card").hidden = !metrics.length;
  fields = model.signature.features.map(field);
  at("fields").replaceChildren(...fields.map((each) => each.box));
  at("example").hidden = model.examples.length < 2;
  fill(model.examples.length ? model.examples[0].input : {});
  at("model").hidden = false;
}

async function start() {
  const { ok, status, content } = await ask("model");
  at("access").hidden = status !== 401 && status !== 403;
  if (ok) {
    say(at("notice"), "");
    show(content);
    return;
  }
  say(at("name"), "Try a model");
  if (at("access").hidden) say(at("notice"), content.detail || content.message || `Status ${status}.`);
  else {
    if (key) say(at("key-error"), `The API refuses this key (${content.detail || content.message || status}).`);
    at("key").focus();
  }
  key = "";
}

at("access").addEventListener("submit", async (event) => {
  event.preventDefault();
  key = at("key").value.trim();
  say(at("key-error"), key ? "" : "Enter a key.");
  if (!key) return at("key").focus();
  await start();
  if (key) { at("key").value = ""; fields[0].focus(); }
});
at("one").addEventListener("submit", (event) => { event.preventDefault(); busy(at("predict"), predictOne); });
at("many").addEventListener("submit", (event) => { event.preventDefault(); busy(at("predict-all"), predictMany); });
at("example").addEventListener("click", () => { example = (example + 1) % model.examples.length; fill(model.examples[example].input); });
at("sample").addEventListener("click", sample);
at("download").addEventListener("click", download);
at("api").addEventListener("toggle", openApi);
at("document").addEventListener("click", (event) => { if (key) event.preventDefault(); });
at("copy").addEventListener("click", async () => {
  try { await navigator.clipboard.writeText(at("snippet").textContent); at("copy").textContent = "Copied"; }
  catch { getSelection().selectAllChildren(at("snippet")); at("copy").textContent = "Selected"; }
  setTimeout(() => { at("copy").textContent = "Copy"; }, 2000);
});
const tabs = [...document.querySelectorAll("[role=tab]")];
for (const tab of tabs) {
  tab.addEventListener("click", () => choose(tab));
  tab.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const next = tabs[(tabs.indexOf(tab) + step + tabs.length) % tabs.length];
    next.focus();
    choose(next);
  });
}
async function take(file) {
  if (file) at("csv").value = await file.text();
}
at("file").addEventListener("change", (event) => { take(event.target.files[0]); event.target.value = ""; });
const dropped = document.querySelector(".file");
for (const target of [dropped, at("csv")]) {
  target.addEventListener("dragover", (event) => { event.preventDefault(); dropped.classList.add("over"); });
  target.addEventListener("dragleave", () => dropped.classList.remove("over"));
  target.addEventListener("drop", (event) => {
    if (!event.dataTransfer.files.length) return;
    event.preventDefault();
    dropped.classList.remove("over");
    take(event.dataTransfer.files[0]);
  });
}
at("document").href = base + "openapi.json";
start();
