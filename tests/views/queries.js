// The queries of the dashboards as Grafana sends them, with the variables filled in.

const fs = require('node:fs');
const path = require('node:path');
const { TRACE } = require('./trail');

const ROOT = path.join(__dirname, '..', '..');
const GRAFANA = path.join(ROOT, 'deploy', 'grafana');
const STORES = ['loki', 'victorialogs'];

const VARIABLES = {
  $__rate_interval: '10s',
  $__range: '1h',
  $__auto: '5m',
  $origin: 'live',
  $person: 'mary_major',
  $trace: TRACE,
  $service: 'amazon-q',
};

// As Grafana does it: the longest name first. An unknown variable is left, and fails in the parser or the server.
function filled(text, variables = VARIABLES) {
  return Object.keys(variables)
    .sort((a, b) => b.length - a.length)
    .reduce((query, variable) => query.replaceAll(variable, variables[variable]), text);
}

// [store, file, dashboard] of each checked-in dashboard.
function dashboards(folder = GRAFANA) {
  return STORES.flatMap((store) =>
    fs.readdirSync(path.join(folder, store)).sort().map((file) => {
      const text = fs.readFileSync(path.join(folder, store, file), 'utf8');
      return { store, file: `${store}/${file}`, text, dashboard: JSON.parse(text) };
    }),
  );
}

// Each query of a dashboard with the panel that it is in.
function targets({ dashboard }) {
  return dashboard.panels.flatMap((panel) => (panel.targets ?? []).map((target) => ({ panel, target, type: target.datasource.type })));
}

module.exports = { ROOT, GRAFANA, STORES, dashboards, targets, filled };
