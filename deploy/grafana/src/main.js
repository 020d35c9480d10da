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
    const json = JSON.stringify(make(store).build(), null, 2) + '\n';
    fs.writeFileSync(path.join(folder, store.name, `${name}.json`), json);
  }
}
