// The pages and the way between them: the part of the address after `#` says which one is shown.

const ids = Object.keys(nodes);
const shown = ids.filter((id) => nodes[id].kind !== "test");
const tests = ids.filter((id) => nodes[id].kind === "test");
const byLabel = (a, b) => (nodes[a].label < nodes[b].label ? -1 : 1);

function section(title, ...content) {
  return element("section", {}, element("h2", {}, title), content);
}

function dot(state, text) {
  return element("span", { class: "dot " + (state || "none"), title: text || false, role: "img", "aria-label": text || "no result" });
}

const SAYS = { good: "all good", warn: "warned", bad: "failed", idle: "skipped" };

function nodeList(list) {
  return element("ul", { class: "nodes" }, list.map((id) => element("li", {},
    dot(sign(nodes[id]), SAYS[sign(nodes[id])]), link(id),
    element("span", { class: "kind" }, nodes[id].kind),
    nodes[id].summary && element("span", { class: "summary" }, nodes[id].summary))));
}

function table(head, rows, kind) {
  return element("div", { class: "scroll" }, element("table", { class: kind },
    element("thead", {}, element("tr", {}, head.map((name) => element("th", { scope: "col" }, name)))),
    element("tbody", {}, rows.map((row) => element("tr", {}, row.map((cell) => element("td", {}, cell)))))));
}

// --- overview ---------------------------------------------------------------------------------------------------

function overview() {
  const results = ids.filter((id) => nodes[id].result);
  // What is held back follows what failed: the cause is read first.
  const rank = (id) => (verdict(nodes[id])[0] === "withheld" ? 1 : 0);
  const trouble = (state) => results.filter((id) => verdict(nodes[id])[1] === state)
    .sort((a, b) => rank(a) - rank(b) || byLabel(a, b));
  const bad = trouble("bad");
  const warned = trouble("warn");
  const last = results.map((id) => nodes[id].result.ended_at).sort().pop();
  const counts = Object.keys(KINDS).map((kind) => [kind, ids.filter((id) => nodes[id].kind === kind).length]);
  const state = bad.length ? "bad" : warned.length ? "warn" : results.length ? "good" : "none";
  const says = !results.length ? "Nothing was run yet in this environment."
    : bad.length ? plural(bad.length, "node") + (bad.length === 1 ? " needs" : " need") + " attention."
    : warned.length ? plural(warned.length, "test") + " warned; nothing failed." : "Everything passed.";
  const groups = site.groups.map((group) => [group, shown.filter((id) => nodes[id].group === group.id).sort(byLabel)]);
  return [
    element("h1", {}, site.project),
    element("div", { class: "state " + state },
      dot(state), element("div", {}, element("strong", {}, says),
        last && element("div", { class: "quiet" }, "Newest result " + moment(last) + " in the environment " + site.environment))),
    element("div", { class: "counts" }, counts.filter((pair) => pair[1]).map(([kind, count]) =>
      element("div", {}, element("b", {}, number.format(count)), element("span", {}, KINDS[kind])))),
    site.overview && element("div", { class: "text", html: site.overview }),
    bad.length > 0 && section("Needs attention", problems(bad)),
    warned.length > 0 && section("Warnings", problems(warned)),
    element("p", {}, element("a", { class: "button", href: "#/lineage" }, "See the lineage")),
    groups.filter((pair) => pair[1].length).map(([group, list]) => section(group.title, nodeList(list))),
  ];
}

function problems(list) {
  return element("ul", { class: "problems" }, list.map((id) => {
    const node = nodes[id];
    const about = node.kind === "test" ? node.check : node.label;
    const tested = node.kind === "test" && (node.attached || (node.parents || [])[0]);
    return element("li", {}, badge(node), element("div", {},
      link(id, about), tested && [" on ", link(tested), node.column && "." + node.column],
      node.result.message && element("div", { class: "quiet" }, node.result.message)));
  }));
}

// --- lineage ----------------------------------------------------------------------------------------------------

function lineage(focus) {
  const all = shown.length <= MOST;
  const chooser = element("label", { class: "chooser" }, "Around ",
    element("select", { onchange: (event) => { location.hash = "#/lineage" + (event.target.value ? "/" + encodeURIComponent(event.target.value) : ""); } },
      all && element("option", { value: "" }, "everything"),
      [...shown].sort(byLabel).map((id) => element("option", { value: id, selected: id === focus }, nodes[id].label))));
  const degree = (id) => (nodes[id].parents || []).length + (nodes[id].children || []).length;
  const center = focus && nodes[focus] ? focus : all ? null : shown.reduce((best, id) => (degree(id) > degree(best) ? id : best), shown[0]);
  const list = center ? around(center, MOST / 2) : inOrder(new Set(shown));
  if (!all && !focus && center) chooser.querySelector("select").value = center;
  return [
    element("h1", {}, "Lineage"),
    element("p", { class: "quiet" }, all && !center ? "What is made from what. Point at a node to follow it; drag to move, Ctrl and the wheel to enlarge."
      : "Showing " + plural(list.length, "node") + " of " + number.format(shown.length) + "; choose another node to look around it."),
    chooser,
    shown.length ? framed(graph(list, center)) : element("p", {}, "There is nothing to show."),
    element("ul", { class: "legend" },
      [["good", "built or passed"], ["warn", "a test warned"], ["bad", "failed, or a test failed"], ["idle", "skipped"]]
        .map(([state, text]) => element("li", {}, dot(state, text), text)),
      element("li", {}, "no sign: no result yet")),
  ];
}

// --- a node -----------------------------------------------------------------------------------------------------

const KIND_NAME = { model: "Model", source: "Source", seed: "Seed", snapshot: "Snapshot", test: "Test", exposure: "Exposure",
  semantic_model: "Semantic model", metric: "Metric", saved_query: "Saved query" };

function nodePage(id) {
  const node = nodes[id];
  const group = site.groups.find((one) => one.id === node.group);
  const place = ["bronze", "silver", "gold"].includes(node.group) && node.kind !== "test" ? group.title : null;
  const isTest = node.kind === "test";
  return [
    element("p", { class: "trail" }, element("span", { class: "tag " + (place ? node.group : "") }, [place, KIND_NAME[node.kind].toLowerCase()].filter(Boolean).join(" ")),
      node.package && element("span", { class: "tag" }, "package " + node.package), badge(node)),
    element("h1", { class: isTest ? "long" : "" }, isTest ? node.check : node.label),
    isTest && node.check !== node.name && element("p", { class: "quiet long" }, node.name),
    node.description ? element("div", { class: "text", html: node.description })
      : !isTest && element("p", { class: "quiet" }, "No description yet."),
    isTest && testedPart(node),
    node.url && element("p", {}, element("a", { class: "button", href: node.url, rel: "noreferrer noopener", target: "_blank" }, "Open it")),
    element("div", { class: "sides" }, lastRun(node), factsPart(node)),
    node.columns && section("Columns", columnsPart(id)),
    node.tests && section("Tests", testsPart(node.tests)),
    !isTest && family(id),
    codePart(node),
  ];
}

function testedPart(node) {
  const attached = node.attached ? [node.attached] : node.parents || [];
  return element("p", {}, "Looks at ", attached.map((id, index) => [index > 0 && ", ", link(id)]),
    node.column && [", column ", element("code", {}, node.column)], ".");
}

function lastRun(node) {
  const result = node.result;
  if (DESCRIBED.includes(node.kind)) return null;
  if (!result) return element("section", {}, element("h2", {}, "Last run"), element("p", { class: "quiet" }, "No result yet in the environment " + site.environment + "."));
  const rows = result.rows;
  const counts = rows && ["inserted", "updated", "deleted"].filter((key) => rows[key]).map((key) => number.format(rows[key]) + " " + key);
  const list = [
    ["Status", verdict(node)[0] + (result.withheld ? " (built, but kept from readers)" : "")],
    result.message && node.result.status !== "success" && ["Message", result.message],
    node.kind === "test" && result.failures !== null && ["Failing rows", number.format(result.failures)],
    rows && ["Rows", number.format(rows.total)],
    counts && counts.length > 0 && ["Changes", counts.join(", ")],
    node.bytes && ["Size", bytes(node.bytes)],
    ["Duration", duration(result.seconds)],
    ["Ended", moment(result.ended_at)],
  ];
  return element("section", {}, element("h2", {}, "Last run"), pairs(list.filter(Boolean)));
}

function factsPart(node) {
  return node.facts && element("section", {}, element("h2", {}, "Facts"), pairs(node.facts));
}

function pairs(list) {
  return element("dl", {}, list.map(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));
}

function columnsPart(id) {
  const node = nodes[id];
  const own = (name) => (node.tests || []).filter((test) => (nodes[test].column || "").toLowerCase() === name.toLowerCase());
  return table(["Column", "Type", "Description", "Tests"], node.columns.map((column) => [
    [element("code", {}, column.name), column.missing && element("span", { class: "badge warn" }, "not there")],
    column.type && element("code", { class: "type" }, column.type),
    column.description && element("div", { class: "text", html: column.description }),
    own(column.name).map((test) => element("div", { class: "test" }, dot((verdict(nodes[test]) || [])[1], (verdict(nodes[test]) || ["no result"])[0]), link(test, nodes[test].check))),
  ]), "columns");
}

function testsPart(list) {
  return table(["Test", "Column", "Last result"], list.map((id) => [
    link(id, nodes[id].check), nodes[id].column && element("code", {}, nodes[id].column),
    [badge(nodes[id]) || element("span", { class: "quiet" }, "no result"), nodes[id].result && nodes[id].result.failures > 0 && " " + plural(nodes[id].result.failures, "row")],
  ]));
}

function family(id) {
  const node = nodes[id];
  const near = new Set([id, ...(node.parents || []), ...(node.children || [])].filter((one) => nodes[one] && nodes[one].kind !== "test"));
  const parents = (node.parents || []).filter((one) => nodes[one]);
  const children = (node.children || []).filter((one) => nodes[one]);
  if (near.size === 1) return section("Lineage", element("p", { class: "quiet" }, "It reads nothing and nothing reads it."));
  return section("Lineage", near.size <= MOST && framed(graph(inOrder(near), id)),
    element("p", {}, element("a", { href: "#/lineage/" + encodeURIComponent(id) }, "All ancestors and descendants")),
    element("div", { class: "sides" },
      parents.length > 0 && element("section", {}, element("h3", {}, "Made from"), nodeList([...parents].sort(byLabel))),
      children.length > 0 && element("section", {}, element("h3", {}, "Used by"), nodeList([...children].sort(byLabel)))));
}

function codePart(node) {
  const texts = [["As written", node.raw], ["Compiled", node.compiled]].filter((pair) => pair[1]);
  if (!texts.length) return null;
  const body = element("pre", { tabindex: 0 });
  const buttons = texts.map(([name, text], index) => element("button", {
    type: "button", "aria-pressed": String(index === 0),
    onclick: (event) => {
      buttons.forEach((button) => button.setAttribute("aria-pressed", String(button === event.currentTarget)));
      body.replaceChildren(sql(text));
    },
  }, name));
  body.append(sql(texts[0][1]));
  return section("SQL", element("div", { class: "tabs" }, buttons), body);
}

const WORDS = new Set(("select from where and or not null is in as on join left right inner outer full cross group by order having limit with case when then else end " +
  "union all distinct over partition between like ilike exists cast true false asc desc using lateral except intersect values interval rows range qualify").split(" "));

// SQL and Jinja with colours: strings, comments, words of the language, and templates.
function sql(text) {
  const parts = document.createDocumentFragment();
  const pattern = /(\{#[\s\S]*?#\}|--[^\n]*|\/\*[\s\S]*?\*\/)|(\{\{[\s\S]*?\}\}|\{%[\s\S]*?%\})|('(?:[^']|'')*')|([A-Za-z_][A-Za-z_0-9]*)/g;
  let end = 0;
  for (const found of text.matchAll(pattern)) {
    parts.append(text.slice(end, found.index));
    const name = found[1] ? "comment" : found[2] ? "jinja" : found[3] ? "string" : WORDS.has(found[4].toLowerCase()) ? "word" : null;
    parts.append(name ? element("span", { class: name }, found[0]) : found[0]);
    end = found.index + found[0].length;
  }
  parts.append(text.slice(end));
  return parts;
}

// --- frame: navigation and search -------------------------------------------------------------------------------

function navigation() {
  const groups = site.groups.map((group) => [group, shown.filter((id) => nodes[id].group === group.id).sort(byLabel)]);
  return element("nav", { "aria-label": "Nodes" },
    element("a", { href: "#/" }, "Overview"), element("a", { href: "#/lineage" }, "Lineage"),
    element("a", { href: "#/tests" }, "Tests"),
    groups.filter((pair) => pair[1].length).map(([group, list]) => element("details", { open: list.length <= 60 },
      element("summary", {}, group.title, element("span", { class: "quiet" }, " " + number.format(list.length))),
      list.map((id) => element("a", { href: address(id), title: nodes[id].label }, dot(sign(nodes[id]), SAYS[sign(nodes[id])]), element("span", {}, nodes[id].label))))));
}

function testsPage() {
  const order = { bad: 0, warn: 1, idle: 3, good: 4 };
  const rank = (id) => (verdict(nodes[id]) ? order[verdict(nodes[id])[1]] : 2);
  const list = [...tests].sort((a, b) => rank(a) - rank(b) || byLabel(a, b));
  return [element("h1", {}, "Tests"),
    tests.length ? table(["Test", "On", "Last result"], list.map((id) => {
      const tested = nodes[id].attached ? [nodes[id].attached] : nodes[id].parents || [];
      return [link(id, nodes[id].check), [tested.map((one, index) => [index > 0 && ", ", link(one)]), nodes[id].column && "." + nodes[id].column],
        badge(nodes[id]) || element("span", { class: "quiet" }, "no result")];
    })) : element("p", {}, "The project has no tests.")];
}

// Nodes that a text finds: in names first, then in columns, tags and descriptions.
function search(text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length) return [];
  const found = [];
  for (const id of ids) {
    const node = nodes[id];
    const names = (node.label + " " + node.name + " " + id).toLowerCase();
    const columns = (node.columns || []).map((column) => column.name.toLowerCase());
    const rest = (columns.join(" ") + " " + (node.tags || []).join(" ") + " " + (node.summary || "") + " " + (node.path || "")).toLowerCase();
    if (!words.every((word) => names.includes(word) || rest.includes(word))) continue;
    let rank = node.kind === "test" ? 40 : 0;
    if (node.name.toLowerCase() === text.toLowerCase()) rank -= 30;
    else if (node.name.toLowerCase().startsWith(words[0])) rank -= 20;
    else if (words.every((word) => names.includes(word))) rank -= 10;
    const column = columns.find((name) => words.some((word) => name.includes(word)));
    found.push({ rank, id, why: rank > -10 && column ? "column " + column : node.kind });
  }
  return found.sort((a, b) => a.rank - b.rank || byLabel(a.id, b.id)).slice(0, 30);
}

function searchBox() {
  const list = element("ul", { id: "found", role: "listbox", hidden: true });
  const input = element("input", {
    type: "search", placeholder: "Search (press /)", "aria-label": "Search", autocomplete: "off", role: "combobox",
    "aria-expanded": "false", "aria-controls": "found",
  });
  let at = 0;
  let results = [];
  const close = () => { list.hidden = true; input.setAttribute("aria-expanded", "false"); };
  const mark = () => [...list.children].forEach((item, index) => {
    item.setAttribute("aria-selected", String(index === at));
    if (index === at) item.scrollIntoView({ block: "nearest" });
  });
  const go = (id) => { close(); input.value = ""; input.blur(); location.hash = address(id); };
  input.addEventListener("input", () => {
    results = search(input.value);
    at = 0;
    list.replaceChildren(...results.map((one) => element("li", { role: "option", onmousedown: (event) => { event.preventDefault(); go(one.id); } },
      element("span", {}, nodes[one.id].kind === "test" ? nodes[one.id].name : nodes[one.id].label), element("span", { class: "quiet" }, one.why))));
    if (!results.length && input.value.trim()) list.append(element("li", { class: "quiet" }, "Nothing found."));
    list.hidden = !input.value.trim();
    input.setAttribute("aria-expanded", String(!list.hidden));
    mark();
  });
  input.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { input.value = ""; close(); input.blur(); }
    if (!results.length) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      at = (at + (event.key === "ArrowDown" ? 1 : results.length - 1)) % results.length;
      mark();
    }
    if (event.key === "Enter") go(results[at].id);
  });
  input.addEventListener("blur", close);
  document.addEventListener("keydown", (event) => {
    const typing = /INPUT|SELECT|TEXTAREA/.test(document.activeElement.tagName);
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) { event.preventDefault(); input.focus(); }
  });
  return element("div", { class: "search" }, input, list);
}

const main = element("main", { tabindex: -1 });

function show() {
  const parts = location.hash.replace(/^#\/?/, "").split("/").map((part) => {
    try { return decodeURIComponent(part); } catch { return part; }
  });
  let title = site.project;
  let content;
  if (!parts[0]) content = overview();
  else if (parts[0] === "lineage") { content = lineage(parts[1]); title = "Lineage · " + title; }
  else if (parts[0] === "tests") { content = testsPage(); title = "Tests · " + title; }
  else if (nodes[parts[1]]) { content = nodePage(parts[1]); title = nodes[parts[1]].name + " · " + title; }
  else content = [element("h1", {}, "Not found"), element("p", {}, "The project has no such node. It may have been renamed or removed since the address was written down.")];
  document.title = title;
  main.classList.toggle("wide", parts[0] === "lineage");
  main.replaceChildren(fill(document.createDocumentFragment(), {}, content));
  document.querySelectorAll("nav a").forEach((one) => {
    const here = one.getAttribute("href") === (location.hash || "#/");
    if (here) { one.setAttribute("aria-current", "page"); one.scrollIntoView({ block: "nearest" }); }
    else one.removeAttribute("aria-current");
  });
  const menu = document.querySelector("#menu");
  if (menu && matchMedia("(max-width: 860px)").matches) menu.open = false;
  window.scrollTo(0, 0);
}

document.body.append(
  element("header", {}, element("a", { class: "home", href: "#/" }, site.project), searchBox()),
  element("div", { class: "layout" },
    element("details", { id: "menu", open: !matchMedia("(max-width: 860px)").matches }, element("summary", {}, "All nodes"), navigation()),
    main),
  element("footer", {}, "Made by karat " + site.karat + " on " + moment(site.generated_at) + "."));
window.addEventListener("hashchange", () => { show(); main.focus({ preventScroll: true }); });
show();
