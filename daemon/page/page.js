// daemon/page/page.js: fills the page from /events, and asks /explain for what is opened.
// Whatever comes from the daemon becomes text, never markup.
"use strict";

const SVG = "http://www.w3.org/2000/svg";
const PICTURED = 40; // addresses in the picture
const $ = (id) => document.getElementById(id);
const open = new Set(); // Services whose explanation is shown
const rows = new Map(); // their list items, so that the focus stays where it is
let source = null, last = null, heard = 0, clock = 0;

function el(name, attrs, ...inner) {
	const e = document.createElement(name);
	for (const [k, v] of Object.entries(attrs || {}))
		if (v !== undefined && v !== null && v !== false) e.setAttribute(k, v === true ? "" : v);
	e.append(...inner);
	return e;
}

function svg(name, attrs, ...inner) {
	const e = document.createElementNS(SVG, name);
	for (const [k, v] of Object.entries(attrs || {})) e.setAttribute(k, v);
	e.append(...inner);
	return e;
}

function span(text, cls) {
	return el("span", { class: cls }, text);
}

function age(ms) {
	const s = Math.max(0, Math.floor(ms / 1000));
	if (s < 60) return s + " s";
	if (s < 3600) return Math.floor(s / 60) + " min";
	if (s < 172800) return Math.floor(s / 3600) + " h";
	return Math.floor(s / 86400) + " d";
}

const daemonNow = () => clock + (performance.now() - heard);

// ---- peers ----

function peerState(p) {
	if (p.heldDown) return ["held down", "warn"];
	if (p.state === "established") return ["\u2713 established, " + age(daemonNow() - p.upMs), "good"];
	return ["\u2717 " + p.state, "bad"];
}

function showPeers(state) {
	const body = $("peers").tBodies[0];
	body.replaceChildren(...state.peers.map((p) => {
		const [text, cls] = peerState(p);
		return el("tr", {}, el("td", {}, p.name), el("td", { class: "mono" }, p.address),
			el("td", { class: "mono" }, p.localASN + " \u2192 " + p.peerASN),
			el("td", { class: cls }, text), el("td", { class: "n" }, String(p.received)),
			el("td", { class: "n" }, String(p.accepted)), el("td", { class: "n" }, String(p.advertised)),
			el("td", {}, p.state === "established" ? "" : p.heldDown || p.lastError));
	}));
	none("h-peers", state.peers.length);
	$("peers").hidden = !state.peers.length;
}

function none(heading, nr) {
	$(heading).parentElement.querySelector(".none").hidden = nr > 0;
}

// ---- the picture ----

function box(kind, key, x, y, width, label, title, more) {
	const g = svg("g", { class: kind }, svg("title", {}, title),
		svg("rect", { class: "box", x, y: y - 11, width, height: 22, rx: 5 }),
		svg("text", { x: x + 8, y: y + 4.5 }, label.length > width / 8 - 1 ? label.slice(0, width / 8 - 2) + "\u2026" : label));
	if (!more) return g;
	const a = svg("a", { href: "#" + more, "aria-label": title }, g);
	a.addEventListener("click", (e) => { e.preventDefault(); show(more); });
	return a;
}

function line(cls, x1, y1, x2, y2) {
	const mid = (x1 + x2) / 2;
	return svg("path", { class: cls, d: `M${x1} ${y1}C${mid} ${y1} ${mid} ${y2} ${x2} ${y2}` });
}

function showPicture(state) {
	const shown = [], addresses = [];
	let all = 0;
	for (const s of state.services)
		for (const a of s.addresses) {
			all++;
			if (addresses.length < PICTURED) addresses.push({ ...a, service: s.name });
		}
	const nodes = state.nodes.slice();
	if (!nodes.some((n) => n.self)) nodes.unshift({ name: state.node, state: "", self: true });
	const peers = new Map(state.peers.map((p) => [p.name, p]));
	for (const a of addresses)
		for (const b of a.by) for (const p of b.peers || []) if (!peers.has(p)) peers.set(p, null);
	const names = [...peers.keys()];
	const height = 46 + 30 * Math.max(addresses.length, nodes.length, names.length, 1);
	const at = (i, nr) => 46 + (height - 46) * (i + .5) / Math.max(nr, 1);
	const nodeAt = new Map(nodes.map((n, i) => [n.name, at(i, nodes.length)]));
	const peerAt = new Map(names.map((n, i) => [n, at(i, names.length)]));
	const lines = [], boxes = [], drawn = new Set(), unknown = new Set();

	addresses.forEach((a, i) => {
		const y = at(i, addresses.length);
		for (const b of a.by) {
			if (!nodeAt.has(b.node) || b.by === "unknown") continue;
			const aside = b.by === "l2" ? 6 : 0; // both ways to one node are seen
			lines.push(line(b.by === "l2" ? "l2" : b.node === state.node ? "bgp" : "conf", 290, y + aside, 390, nodeAt.get(b.node) + aside));
			for (const p of b.peers || []) {
				if (drawn.has(b.node + " " + p) || b.node === state.node) continue;
				drawn.add(b.node + " " + p);
				lines.push(line("conf", 590, nodeAt.get(b.node), 690, peerAt.get(p)));
			}
		}
		const by = a.by.map((b) => b.node + (b.by === "l2" ? " answers ARP and NDP"
			: b.by === "unknown" ? ": not known" : " by BGP to " + b.peers.join(", ")));
		for (const b of a.by) if (b.by === "unknown") unknown.add(b.node);
		shown.push(a.ip + " of " + a.service + ": " + (by.join("; ") || "nobody"));
		boxes.push(box(a.by.length ? "" : "off", a.ip, 10, y, 280, a.ip + "  " + a.service,
			shown[shown.length - 1], a.service));
	});
	for (const p of state.peers)
		lines.push(line(p.state === "established" ? "bgp" : "down", 590, nodeAt.get(state.node), 690, peerAt.get(p.name)));
	for (const n of nodes)
		boxes.push(box((n.self ? "self " : "") + (n.state === "not ready" ? "off" : ""), n.name, 390, nodeAt.get(n.name), 200,
			n.name, n.name + (n.self ? ", this node" : "") + (n.state ? ", " + n.state : "")));
	for (const [name, p] of peers)
		boxes.push(box(p && p.state !== "established" ? "off" : "", name, 690, peerAt.get(name), 200, name,
			name + (p ? ", " + p.state : ", of another node")));
	const head = (x, text) => svg("text", { class: "head", x, y: 18 }, text);
	const old = $("picture").querySelector("a:focus");
	const focus = old && old.getAttribute("href");
	$("picture").replaceChildren(svg("svg", { viewBox: `0 0 900 ${height}`, role: "group",
		"aria-label": "Addresses, the nodes that announce them, and their peers" },
		head(10, "address"), head(390, "node"), head(690, "peer"), ...lines, ...boxes));
	if (focus) for (const a of $("picture").querySelectorAll("a")) if (a.getAttribute("href") === focus) { a.focus(); break; }
	$("unknown").hidden = !unknown.size;
	$("unknown").textContent = !unknown.size ? "" : "Of the BGP sessions of " + [...unknown].join(", ") + " nothing is known here; what is announced there is not drawn.";
	$("cut").hidden = all <= addresses.length;
	$("cut").textContent = `${addresses.length} of ${all} addresses are drawn; the filter below chooses.`;
}

// ---- Services ----

const MARKS = { ok: ["\u2713", "good"], failed: ["\u2717", "bad"], degraded: ["!", "warn"], skipped: ["\u2013", "soft"] };

function showSteps(place, answer) {
	const steps = answer.steps.map((s) => {
		const [mark, cls] = MARKS[s.verdict] || ["?", ""];
		return el("li", { class: s.first ? "first" : null }, el("span", { class: "mark " + cls }, mark), span(s.stage, "soft"),
			s.subject ? " " + s.subject + ": " : ": ", s.message,
			s.object && s.verdict !== "ok" ? span(" (" + s.object + (s.field ? ", " + s.field : "") + ")", "soft") : "");
	});
	place.replaceChildren(el("ol", {}, ...steps), answer.advice ? el("p", { class: "advice" }, answer.advice) : "");
}

async function explain(name) {
	const row = rows.get(name);
	if (!row) return;
	try {
		const r = await fetch("explain/service/" + name);
		if (!r.ok) throw new Error(await r.text());
		showSteps(row.steps, await r.json());
	} catch (e) {
		row.steps.replaceChildren(el("p", { class: "bad" }, String(e.message)));
	}
}

function toggle(name, want) {
	const row = rows.get(name);
	if (!row) return;
	row.button.setAttribute("aria-expanded", String(want));
	row.steps.hidden = !want;
	if (want) { open.add(name); explain(name); } else open.delete(name);
}

function show(name) {
	const row = rows.get(name);
	if (!row) return;
	toggle(name, true);
	row.button.focus();
	row.item.scrollIntoView({ block: "nearest" });
}

function serviceRow(name) {
	const button = el("button", { type: "button", "aria-expanded": "false" });
	const steps = el("div", { class: "steps", hidden: true, "aria-live": "polite" });
	const row = { button, steps, item: el("li", {}, button, steps), text: "" };
	button.addEventListener("click", () => toggle(name, !open.has(name)));
	return row;
}

function sentence(s) {
	if (!s.addresses.length) return [s.waits || "has no address", "bad"];
	const known = (a) => a.by.some((b) => b.by !== "unknown");
	const silent = s.addresses.filter((a) => !a.by.length), unknown = s.addresses.filter((a) => !known(a));
	if (silent.length) return ["nobody announces " + silent.map((a) => a.ip).join(", "), "bad"];
	if (s.waits) return [s.waits, "warn"];
	if (!s.endpoints) return ["no endpoint is ready", "warn"];
	if (unknown.length) return ["not announced here; of other nodes' BGP nothing is known", "warn"];
	const nodes = new Set(s.addresses.flatMap((a) => a.by.filter((b) => b.by !== "unknown").map((b) => b.node)));
	return ["\u2713 announced by " + [...nodes].join(", "), "good"];
}

function showServices(state) {
	const list = $("services"), seen = new Set();
	state.services.forEach((s, i) => {
		const text = JSON.stringify(s);
		let row = rows.get(s.name);
		if (!row) rows.set(s.name, row = serviceRow(s.name));
		seen.add(s.name);
		if (row.text !== text) {
			const [said, cls] = sentence(s);
			row.button.replaceChildren(span(s.name, "name"),
				span(s.addresses.map((a) => a.ip).join(", ") || "no address", "mono"),
				span(s.endpoints + (s.endpoints === 1 ? " endpoint" : " endpoints"), "soft"), span(said, "said " + cls));
			row.text = text;
		}
		if (list.children[i] !== row.item) list.insertBefore(row.item, list.children[i] || null);
	});
	for (const [name, row] of rows)
		if (!seen.has(name)) { row.item.remove(); rows.delete(name); open.delete(name); }
	for (const name of open) explain(name);
	$("count").textContent = state.matching > state.shown
		? `the first ${state.shown} of ${state.matching}; a filter brings others`
		: `${state.matching} of ${state.total} of type LoadBalancer`;
}

// ---- pools, and the head ----

function showPools(state) {
	$("pools").replaceChildren(...state.pools.map((p) => {
		const part = p.total ? p.used / p.total : 1;
		const why = p.disabled ? "disabled" : p.conflicting ? "overlaps " + p.conflictsWith : "";
		const total = p.total >= 2 ** 53 ? "very many" : p.total.toLocaleString("en");
		return el("li", { class: "pool" }, span(p.name, ""),
			el("div", { class: "bar" + (part >= .9 ? " full" : ""), role: "img", "aria-label": Math.round(part * 100) + " % used" },
				svg("svg", { viewBox: "0 0 100 1", preserveAspectRatio: "none" },
					svg("rect", { width: p.used ? Math.max(part * 100, .6) : 0, height: 1 }))),
			span(`${p.used.toLocaleString("en")} of ${total} used` + (why ? "; " + why : ""), why ? "warn" : "soft"));
	}));
	none("h-pools", state.pools.length);
}

function showHead(state) {
	const chip = (text, cls) => span(text, "chip " + cls);
	$("node").textContent = "on " + state.node + ", " + state.version;
	document.title = "Herald on " + state.node;
	$("chips").replaceChildren(state.ready ? chip("ready", "good") : chip("not ready", "bad"),
		...(state.drain ? [chip(state.drain, "warn")] : []),
		...state.sources.map((s) => chip(s.name + (s.synced ? " in sync" : " not in sync"), s.synced ? "soft" : "bad")),
		...(state.faults.length ? [chip("last reload refused", "bad")] : []));
	$("faults").hidden = !state.faults.length;
	$("faults").replaceChildren(...state.faults.map((f) => el("li", {}, f)));
}

function render() {
	if (!last) return;
	showHead(last);
	showPeers(last);
	showServices(last);
	showPicture(last);
	showPools(last);
}

// ---- the stream ----

function linked(ok, text) {
	$("link").textContent = text;
	$("link").className = ok ? "" : "lost";
}

function hear(e) {
	const said = JSON.parse(e.data);
	heard = performance.now();
	clock = said.nowMs;
	linked(true, "live");
	if (e.type === "large") linked(false, "too much to show; a filter helps");
	if (said.state) { last = said.state; render(); }
}

function listen() {
	if (source) source.close();
	source = new EventSource("events?filter=" + encodeURIComponent($("filter").value.trim()));
	for (const type of ["state", "alive", "large"]) source.addEventListener(type, hear);
	source.addEventListener("error", () => linked(false, "not connected; trying again"));
	// A stream that was refused (the page was off for a while) does not come back by itself.
	source.addEventListener("error", () => { if (source.readyState === EventSource.CLOSED) setTimeout(listen, 2000); });
}

let typing = 0;
$("filter").addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(listen, 250); });
setInterval(() => { if (last) showPeers(last); }, 10000);
$("main").hidden = false; // who has no scripts is not shown empty tables
linked(true, "connecting");
listen();
