"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const VERDICTS = ["unchanged", "updated", "created", "skipped", "rejected"];
  const PHASES = {
    start: "Start: key, roles, ledger",
    waiting_for_stdin: "Waiting for the tap",
    reading: "Reading and mapping",
    waiting_for_delivery: "Waiting for Kustomer (pipeline full)",
    settling: "Settling after the end of the input",
  };

  // Words

  const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
  const count = (value) => (value === null || value === undefined ? "–" : whole.format(value));
  const seconds = (value) => {
    if (value === null || value === undefined) return "–";
    if (value >= 100) return `${whole.format(value)} s`;
    if (value >= 10) return `${value.toFixed(1)} s`;
    return value >= 1 ? `${value.toFixed(2)} s` : `${whole.format(value * 1000)} ms`;
  };
  const two = (value) => String(value).padStart(2, "0");
  const clock = (value) => {
    const total = Math.round(value);
    const [h, m, s] = [Math.floor(total / 3600), Math.floor(total / 60) % 60, total % 60];
    return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
  };
  const long = (value) => (value < 100 ? seconds(value) : clock(value));
  const percent = (part) => `${(100 * part).toFixed(part > 0 && part < 0.1 ? 1 : 0)} %`;
  const ratio = (value) => (value >= 10 ? whole.format(value) : value.toFixed(value < 0.1 ? 3 : 2));

  // Elements; all texts go in as texts, whatever names hold

  const element = (tag, properties = {}, ...children) => {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children.filter((each) => each !== null));
    return made;
  };
  const main = document.getElementById("report");
  const section = (title, note, ...children) => {
    const made = element("section", {}, element("h2", { textContent: title }));
    if (note) made.append(element("p", { className: "note", textContent: note }));
    made.append(...children.filter((each) => each !== null));
    return made;
  };
  // columns: [head, value of a row, kind]; kinds are text, names, number and bar (a part of 1)
  const table = (rows, columns, className = "") => {
    const heads = columns.map(([head, , kind]) =>
      element("th", { textContent: head, className: kind === "number" ? kind : "" }));
    const lines = rows.map((row) => element("tr", {}, ...columns.map(([, value, kind]) => {
      const shown = value(row);
      const cell = element("td", { className: kind });
      if (kind === "bar") {
        const bar = element("i");
        bar.style.width = `${100 * shown}%`;
        cell.append(bar);
      } else {
        cell.textContent = shown;
        if (kind === "number" && (shown === "0" || shown === "–")) cell.classList.add("zero");
      }
      return cell;
    })));
    const head = columns.some(([name]) => name) ? element("thead", {}, element("tr", {}, ...heads)) : null;
    return element("table", { className }, ...(head ? [head] : []), element("tbody", {}, ...lines));
  };

  // The head

  const { run, records, requests, limit, waits, jobs, rejects, timeline } = data;
  const tone = run.exit_code === 0 ? "good" : run.exit_code === 3 ? "warn" : "bad";
  const ENDS = {
    0: "done",
    1: "bug",
    2: "configuration, input or disk",
    3: "too many rejects",
    4: "key or role refused",
    5: "Kustomer not reachable",
  };
  const end = ENDS[run.exit_code] ?? "ended by a signal";
  const moment = (iso) => `${iso.slice(0, 10)} ${iso.slice(11, 19)}`;
  main.append(element("header", {},
    element("h1", { textContent: "Report of a run" }),
    element("span", { className: `badge ${tone}`, textContent: `exit ${run.exit_code}: ${end}` }),
    element("p", {
      className: "note",
      textContent: `${data.target.name} ${data.target.version} · ${data.settings.api_url ?? ""} · `
        + `${moment(run.started_at)} to ${moment(run.ended_at)} UTC`,
    })));
  if (run.exit_line) {
    main.append(element("p", { className: `line ${tone}` },
      element("span", { textContent: run.exit_line })));
  }
  const figure = (name, value, unit = "", className = "") => element("div", {},
    element("dt", { textContent: name }),
    element("dd", { className }, value, unit ? element("small", { textContent: ` ${unit}` }) : null));
  main.append(element("dl", { className: "figures" },
    figure("Records read", count(records.read)),
    ...["created", "updated", "unchanged", "skipped"].map((each) =>
      figure(each[0].toUpperCase() + each.slice(1), count(records[each]))),
    ...(records.deleted + records.deleted_by_version
      ? [figure("Deleted", count(records.deleted + records.deleted_by_version))] : []),
    figure("Rejected", count(records.rejected), "", records.rejected ? "bad" : ""),
    ...(records.unsettled ? [figure("Not settled", count(records.unsettled), "", "bad")] : []),
    figure("Time", long(run.seconds)),
    figure("Throughput", ratio(records.per_second), "records/s"),
    figure("Requests", count(requests.total)),
    figure("Cost of a record", ratio(requests.per_record), "requests")));

  // Plots

  const width = timeline.bucket_seconds;
  const times = [0, ...timeline.requests.map((_, at) =>
    Math.min((at + 1) * width, Math.max(run.seconds, width)))];
  const grown = (amounts) => {
    let sum = 0;
    return [0, ...amounts.map((each) => (sum += each))];
  };
  const color = (name) =>
    getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const faint = (name) => `${color(name)}${/^#.{6}$/.test(color(name)) ? "33" : ""}`;
  const AXIS_SECONDS = [
    0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200,
    86400, 172800, 604800,
  ];
  const options = (holder, colors, series, more = {}) => ({
    width: holder.clientWidth,
    height: 250,
    padding: [10, 14, 0, 0],
    legend: { live: true, markers: { width: 0, fill: (_, at) => (at ? colors[at - 1] : "transparent") } },
    cursor: { points: { size: 6 }, drag: { x: true, y: false } },
    scales: { x: { time: false }, y: { range: (_, low, high) => [0, Math.max(high * 1.06, 1)] } },
    axes: [
      {
        stroke: color("muted"),
        grid: { show: false },
        ticks: { stroke: color("line"), size: 5, width: 1 },
        incrs: AXIS_SECONDS,
        space: 70,
        size: 32,
        values: (_, splits) => splits.map((each) =>
          (run.seconds < 5 ? `${Number(each.toFixed(1))} s` : clock(each))),
      },
      {
        stroke: color("muted"),
        grid: { stroke: color("grid"), width: 1 },
        ticks: { show: false },
        size: 62,
        space: 36,
        incrs: [1, 2, 5, 10, 20, 50, 1e2, 2e2, 5e2, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6, 2e6, 5e6, 1e7, 1e8],
        values: (_, splits) => splits.map(count),
      },
    ],
    series: [{ label: "Time", value: (_, each) => (each === null ? "" : long(each)) }, ...series],
    ...more,
  });
  // Without a pointer the legend tells the last values.
  const plotted = (settings, columns, holder) => {
    const rest = (plot) => plot.setLegend({ idx: times.length - 1 }, false);
    const plot = new uPlot({ ...settings, hooks: { ready: [rest], ...settings.hooks } }, columns, holder);
    plot.over.addEventListener("mouseleave", () => rest(plot));
    return plot;
  };

  const happened = VERDICTS.filter((each) => records[each]);
  const layers = [];
  happened.forEach((each, at) => {
    const own = grown(timeline.records[each]);
    layers.push(at ? own.map((value, index) => value + layers[at - 1][index]) : own);
  });
  const drawRecords = (holder) => plotted(
    options(holder, happened.map(color), happened.map((each, at) => ({
      label: each,
      stroke: color(each),
      fill: at ? undefined : color(each),
      width: 1,
      points: { show: false },
      value: (_, value, __, index) =>
        (value === null ? "" : count(value - (at ? layers[at - 1][index ?? times.length - 1] : 0))),
    })), {
      bands: happened.slice(1).map((each, at) => ({ series: [at + 2, at + 1], fill: color(each) })),
    }),
    [times, ...layers],
    holder,
  );

  const perMinute = [0, ...timeline.requests_per_minute];
  const level = (value) => times.map(() => value);
  const markStalls = (plot) => {
    plot.ctx.save();
    plot.ctx.fillStyle = color("stalled");
    timeline.stalled_seconds.forEach((each, at, all) => {
      if (each < width / 2 || (at && all[at - 1] >= width / 2)) return;
      let end = at + 1;
      while (all[end] >= width / 2) end += 1;
      const from = plot.valToPos(times[at], "x", true);
      plot.ctx.fillRect(from, plot.bbox.top, plot.valToPos(times[end], "x", true) - from, 5 * devicePixelRatio);
    });
    plot.ctx.restore();
  };
  const dashed = (label, name) => ({
    label,
    stroke: color(name),
    width: 1.5,
    dash: [6, 4],
    points: { show: false },
    value: (_, each) => count(each),
  });
  const limits = limit.requests_per_minute === null ? [] : [
    [`share of this run (${percent(limit.share)})`, "share", limit.share_per_minute],
    ["limit of the org", "limit", limit.requests_per_minute],
  ];
  const drawRequests = (holder) => plotted(
    options(holder, [color("requests"), ...limits.map(([, name]) => color(name))], [
      {
        label: "requests in the last minute",
        stroke: color("requests"),
        fill: faint("requests"),
        width: 2,
        points: { show: false },
        value: (_, each) => count(each),
      },
      ...limits.map(([label, name]) => dashed(label, name)),
    ], { hooks: { drawClear: [markStalls] } }),
    [times, perMinute, ...limits.map(([, , value]) => level(value))],
    holder,
  );

  const drawings = [];
  const plot = (id, title, note, draw) => {
    const holder = element("div", { className: "plot", id });
    main.append(section(title, note, holder));
    drawings.push([holder, draw]);
  };
  if (happened.length) {
    plot("records-plot", "Records over time", "Settled so far, by verdict.", drawRecords);
  }
  if (requests.total) {
    plot("requests-plot", "Requests per minute against the budget",
      waits.requests ? "The bar on top: requests were waiting for the budget." : "No request waited for the budget.",
      drawRequests);
  }

  // Rejects

  const sum = (rows, value) => rows.reduce((total, each) => total + value(each), 0);
  if (rejects.reasons.length) {
    const byReason = new Map();
    for (const each of rejects.reasons) {
      byReason.set(each.reason, (byReason.get(each.reason) ?? 0) + each.records);
    }
    const reasons = [...byReason].sort((one, other) => other[1] - one[1]);
    const most = reasons[0][1];
    main.append(element("div", { className: "pair" },
      section("Rejects by reason", rejects.file ? `In ${rejects.file}` : "",
        table(reasons, [
          ["reason", ([reason]) => reason, "names"],
          ["", ([, number]) => number / most, "bar"],
          ["records", ([, number]) => count(number), "number"],
        ], "rejects")),
      section("Where they were", rejects.replayable
        ? `${count(rejects.replayable)} were rejected for a company that came later: replay them now.` : "",
        table(rejects.reasons.slice(0, 20), [
          ["stream", (each) => each.stream ?? "(several)", "names"],
          ["reason", (each) => each.reason, "names"],
          ["attribute", (each) => each.attribute ?? "–", "names"],
          ["column", (each) => each.column ?? "–", "names"],
          ["records", (each) => count(each.records), "number"],
        ]),
        rejects.reasons.length > 20
          ? element("p", { className: "note", textContent:
            `and ${count(sum(rejects.reasons.slice(20), (each) => each.records))} in `
            + `${count(rejects.reasons.length - 20)} further places` })
          : null)));
  }

  if (rejects.versions.length) {
    main.append(section("Not deleted", "What new versions of tables leave behind, without a record.",
      table(rejects.versions, [
        ["stream", (each) => each.stream, "names"],
        ["reason", (each) => each.reason, "names"],
        ["objects", (each) => count(each.objects), "number"],
      ])));
  }

  // Tables

  const words = ["read", "created", "updated", "unchanged", "skipped", "rejected", "deleted",
    "deleted_by_version", "unsettled", "filtered", "ignored", "stale"];
  const NAMES = {
    deleted: "of the updated, deleted",
    deleted_by_version: "deleted by version",
    unsettled: "not settled",
  };
  const usual = new Set(words.slice(0, 6));
  if (data.streams.length) {
    main.append(section("Streams", "", table(data.streams, [
      ["stream", (each) => each.stream, "names"],
      ["object", (each) => each.object ?? "ignored", "text"],
      ...words.filter((word) => usual.has(word) || records[word]).map((word) =>
        [NAMES[word] ?? word, (each) => count(each[word]), "number"]),
    ])));
  }
  if (rejects.omitted.length) {
    main.append(section("Values left out", "They did not fit their attribute (invalid_values: omit).",
      table(rejects.omitted, [
        ["stream", (each) => each.stream, "names"],
        ["column", (each) => each.column, "names"],
        ["values", (each) => count(each.values), "number"],
      ])));
  }
  const told = (each) => [...Object.entries(each.statuses), ...Object.entries(each.failures)]
    .map(([what, number]) => `${what} × ${count(number)}`).join(", ");
  if (requests.total) {
    main.append(section("Requests by kind", `${count(requests.total)} requests, `
      + `${count(requests.retries)} of them sent again, ${count(requests.failed)} without an answer.`,
    table(requests.kinds, [
      ["kind", (each) => each.kind, "text"],
      ["method", (each) => each.method, "text"],
      ["answers", told, "text"],
      ["requests", (each) => count(each.requests), "number"],
      ["again", (each) => count(each.retries), "number"],
      ["half within", (each) => seconds(each.seconds.p50), "number"],
      ["99 % within", (each) => seconds(each.seconds.p99), "number"],
      ["longest", (each) => seconds(each.seconds.max), "number"],
      ["waited", (each) => (each.waits ? seconds(each.waited_seconds) : "–"), "number"],
    ])));
  }
  if (jobs.total) {
    main.append(section("Bulk jobs", "How long Kustomer took by its own time stamps, and after what time the run knew.",
      table(jobs.kinds, [
        ["job", (each) => `${each.verb} ${each.object} records`, "text"],
        ["jobs", (each) => count(each.jobs), "number"],
        ["items", (each) => count(each.items), "number"],
        ["half done", (each) => (each.done_seconds.count ? seconds(each.done_seconds.p50) : "–"), "number"],
        ["99 % done", (each) => (each.done_seconds.count ? seconds(each.done_seconds.p99) : "–"), "number"],
        ["half known", (each) => seconds(each.known_seconds.p50), "number"],
        ["99 % known", (each) => seconds(each.known_seconds.p99), "number"],
        ["longest", (each) => seconds(each.known_seconds.max), "number"],
      ])));
  }
  const longest = Math.max(...data.phases.map((each) => each.seconds), 0.001);
  main.append(element("div", { className: "pair" },
    section("Time by phase", "What the reading did; delivery goes on beside it.", table(data.phases, [
      ["phase", (each) => PHASES[each.phase] ?? each.phase, "text"],
      ["", (each) => each.seconds / longest, "bar"],
      ["time", (each) => seconds(each.seconds), "number"],
    ])),
    section("Waits for the budget", waits.requests ? "" : "None.",
      table([
        ["requests that waited", count(waits.requests)],
        ["waited in all, several at a time", seconds(waits.seconds)],
        ["time in which at least one waited", `${seconds(waits.stalled_seconds)} (${percent(waits.stalled_part)})`],
        ["records more in that time, at this run's pace", waits.cost_records ? `≈ ${count(waits.cost_records)}` : "0"],
      ], [["", ([name]) => name, "text"], ["", ([, value]) => value, "number"]]))));

  const flat = (value, path) => (value !== null && typeof value === "object" && !Array.isArray(value)
    && Object.keys(value).length
    ? Object.entries(value).flatMap(([name, each]) => flat(each, [...path, name]))
    : [[path.join("."), Array.isArray(value) ? value.join(", ") : typeof value === "object" ? "" : String(value)]]);
  main.append(section("Settings", "Without secrets; of stream_maps the names alone.",
    table(Object.entries(data.settings).flatMap(([name, value]) => flat(value, [name])), [
      ["setting", ([name]) => name, "names"],
      ["value", ([, value]) => value, "names"],
    ])));

  // Drawn when sizes are known, and again where they or the colours change

  let plots = [];
  const draw = () => {
    plots.forEach((each) => each.destroy());
    plots = drawings.map(([holder, make]) => make(holder));
  };
  draw();
  let drawnFor = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth !== drawnFor) {
      drawnFor = innerWidth;
      draw();
    }
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  const paper = (on) => () => {
    document.documentElement.classList.toggle("paper", on);
    draw();
  };
  addEventListener("beforeprint", paper(true));
  addEventListener("afterprint", paper(false));
})();
