"use strict";
// What the other parts share: the document, making elements, and texts for people.

// A page that silently stays half empty would be worse than one that says so.
for (const name of ["error", "securitypolicyviolation"]) {
  window.addEventListener(name, (event) => {
    const bar = document.createElement("p");
    bar.className = "failure";
    bar.textContent = "This page could not be shown whole: " + (event.message || event.violatedDirective);
    document.body.prepend(bar);
  });
}

const site = JSON.parse(document.getElementById("document").textContent);
const nodes = site.nodes;
const SVG = "http://www.w3.org/2000/svg";

// Makes an element. Texts become text nodes; `html` is for descriptions alone, which were made harmless.
function element(name, attributes, ...content) {
  return fill(document.createElement(name), attributes, content);
}

function drawing(name, attributes, ...content) {
  return fill(document.createElementNS(SVG, name), attributes, content);
}

function fill(made, attributes, content) {
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (key === "html") made.innerHTML = value;
    else if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value === true ? "" : value);
  }
  for (const part of content.flat(3)) {
    if (part === undefined || part === null || part === false) continue;
    made.append(part instanceof Node ? part : String(part));
  }
  return made;
}

const KINDS = {
  model: "Models", source: "Sources", seed: "Seeds", snapshot: "Snapshots", test: "Tests", exposure: "Exposures",
  semantic_model: "Semantic models", metric: "Metrics", saved_query: "Saved queries",
};

// What no command makes: it has no last run, and its label is its name.
const DESCRIBED = ["source", "exposure", "semantic_model", "metric", "saved_query"];

function address(id) {
  return "#/" + nodes[id].kind + "/" + encodeURIComponent(id);
}

function link(id, text) {
  if (!nodes[id]) return element("span", {}, text || id);
  return element("a", { href: address(id) }, text || nodes[id].label);
}

const number = new Intl.NumberFormat("en");

function plural(count, word) {
  return number.format(count) + " " + word + (count === 1 ? "" : "s");
}

function bytes(count) {
  let value = count;
  for (const unit of ["B", "kB", "MB", "GB"]) {
    if (value < 1000) return (value < 10 && unit !== "B" ? value.toFixed(1) : Math.round(value)) + " " + unit;
    value /= 1000;
  }
  return value.toFixed(1) + " TB";
}

function duration(seconds) {
  if (seconds < 1) return Math.round(seconds * 1000) + " ms";
  if (seconds < 60) return seconds.toFixed(1) + " s";
  return Math.floor(seconds / 60) + " min " + Math.round(seconds % 60) + " s";
}

function moment(instant) {
  return instant.slice(0, 16).replace("T", " ") + " UTC";
}

// The newest result in words, with a class for its colour.
const STATUS = {
  success: ["built", "good"], pass: ["passed", "good"], warn: ["warned", "warn"], fail: ["failed", "bad"],
  error: ["error", "bad"], skipped: ["skipped", "idle"],
};

function verdict(node) {
  if (!node.result) return null;
  if (node.result.withheld && node.result.status === "success") return ["withheld", "bad"];
  return STATUS[node.result.status] || [node.result.status, "idle"];
}

function badge(node) {
  const found = verdict(node);
  return found && element("span", { class: "badge " + found[1] }, found[0]);
}

// The worst verdict of a node's tests.
function worst(node) {
  let found = null;
  for (const id of node.tests || []) {
    const one = verdict(nodes[id]);
    if (!one) continue;
    if (one[1] === "bad") return "bad";
    if (one[1] === "warn") found = "warn";
    else if (!found) found = one[1];
  }
  return found;
}

// What the sign beside a node's name says: the node's own trouble first, then that of its tests.
function sign(node) {
  const own = verdict(node);
  if (own && own[1] === "bad") return "bad";
  const tests = worst(node);
  if (tests === "bad" || tests === "warn") return tests;
  return own ? own[1] : tests;
}
