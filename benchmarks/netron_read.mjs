// Open files with the code of the package netron, without a browser: node netron_read.mjs PACKAGE_FOLDER FILE...
// Prints for each file a JSON list: its name, and how many nodes it has and how many of them hold numbers, or what went wrong.
import * as fs from 'fs';
import * as path from 'path';
import { pathToFileURL } from 'url';
const [folder, ...files] = process.argv.slice(2);
const load = (name) => import(pathToFileURL(path.join(folder, name)).href);
global.window = global; global.document = { createElement: () => ({}), documentElement: {} };
const { ModelFactoryService } = await load('view.js');
const { BinaryStream } = await load('base.js');
const host = {
    type: 'Test', environment: () => null, event: () => {}, event_ua: () => {}, exception: (error) => { console.error(error); },
    require: async (id) => load(id.replace('./', '') + (id.endsWith('.js') ? '' : '.js')),
    asset: async (name) => fs.readFileSync(path.join(folder, name), 'utf-8'),
    request: async (name, encoding, where) => {
        const file = where ? path.join(where, name) : path.join(folder, name);
        if (encoding) return fs.readFileSync(file, encoding);
        return new BinaryStream(new Uint8Array(fs.readFileSync(file)));
    },
};
for (const file of files) {
    const where = path.dirname(file);
    const context = {
        identifier: path.basename(file), name: path.basename(file), stream: new BinaryStream(new Uint8Array(fs.readFileSync(file))), entries: new Map(),
        request: (name, encoding, base) => host.request(name, encoding, base === undefined ? where : base),
        require: (id) => host.require(id), asset: (n) => host.asset(n), error: (error) => { throw error; }, container: null,
    };
    try {
        const model = await new ModelFactoryService(host).open(context);
        const graph = model.modules ? model.modules[0] : model.graphs[0];
        const kernels = graph.nodes.filter((node) => node.inputs.some((input) => input.value.some((value) => value.initializer)));
        console.log(JSON.stringify([file, graph.nodes.length, kernels.length]));
    } catch (error) {
        console.log(JSON.stringify([file, String(error.stack).slice(0, 600)]));
    }
}
