// Makes the dashboards: `npm run build` writes the JSON files beside this folder; `node src/main.js FOLDER` writes them there.

const fs = require('node:fs');
const path = require('node:path');
const stores = require('./stores');
const dashboards = {
  overview: require('./overview'),
  person: require('./person'),
  conversation: require('./conversation'),
  health: require('./health'),
};

const folder = process.argv[2] ?? path.join(__dirname, '..');
for (const store of stores) {
  fs.mkdirSync(path.join(folder, store.name), { recursive: true });
  for (const [name, make] of Object.entries(dashboards)) {
    const dashboard = make(store).build();
    // Links to a panel name its id, which Grafana would choose at each import.
    dashboard.panels.forEach((panel, at) => { panel.id = at + 1; });
    fs.writeFileSync(path.join(folder, store.name, `${name}.json`), JSON.stringify(dashboard, null, 2) + '\n');
  }
}
