// Ask a running gateway for its document, then make calls, and judge both by it.
//
//   node check.mjs http://127.0.0.1:8000 < calls.json
//
// A call is {method, path, headers, body, breaks}; `breaks` says that its body is meant to break the
// document's rules. Prints {operations: ["GET /jobs", …], documented: ["GET /jobs 200", …],
// seen: [{call, status, headers, body}, …], wrong: ["…"]}. Exit code 0 also where something is wrong.
import { readFileSync } from "node:fs";
import { Validator } from "@seriousme/openapi-schema-validator";
import Ajv from "ajv/dist/2020.js";
import addFormats from "ajv-formats";

const base = process.argv[2];
const calls = JSON.parse(readFileSync(0));
const wrong = [];
const document = await (await fetch(`${base}/openapi.json`)).json();
const valid = await new Validator({ strict: true }).validate(structuredClone(document));
if (!valid.valid) wrong.push(`the document: ${JSON.stringify(valid.errors)}`);

const ajv = new Ajv({ strict: false, allErrors: true });
addFormats(ajv);
ajv.addSchema(document, "document");

const part = (text) => text.replaceAll("~", "~0").replaceAll("/", "~1");
const schema = (path) => ajv.getSchema(`document#/${path.map(part).map(encodeURIComponent).join("/")}`);

// What stands at a path in the document, and where: behind a reference, if it is one.
function find(path) {
  const found = path.reduce((object, name) => object?.[name], document);
  return found?.$ref ? find(found.$ref.slice(2).split("/")) : { path, found };
}

function judge(what, path, value) {
  const validate = schema(path);
  if (!validate(value)) wrong.push(`${what}: ${ajv.errorsText(validate.errors)} in ${JSON.stringify(value)}`);
}

// The path of the document that a target is meant by: one without braces goes first.
function template(target) {
  const path = target.split("?")[0];
  const fits = (one) => new RegExp(`^${one.replaceAll(".", "\\.").replace(/\{[^}]+\}/g, "[^/]+")}$`).test(path);
  return document.paths[path] ? path : Object.keys(document.paths).find(fits);
}

function judgeHeaders(what, response, headers) {
  for (const [name, one] of Object.entries(response.headers ?? {})) {
    const value = headers[name.toLowerCase()];
    if (value === undefined) continue; // which are there depends on the problem
    const { path, found } = find(one.$ref ? one.$ref.slice(2).split("/") : []);
    judge(`${what}: the header ${name}`, [...path, "schema"], found.schema.type === "integer" ? Number(value) : value);
  }
}

function judgeBody(what, path, response, type, body) {
  const types = Object.keys(response.content ?? {});
  if (types.length === 0) {
    if (body !== "") wrong.push(`${what}: a body where none is documented`);
  } else if (!types.includes(type)) wrong.push(`${what}: ${type}, documented are ${types}`);
  else if (type.endsWith("json")) judge(what, [...path, "content", type, "schema"], JSON.parse(body));
}

function judgeRequest(what, path, operation, call, status) {
  if (call.body === undefined || call.body === null || !operation.requestBody) return;
  const validate = schema([...path, "requestBody", "content", "application/json", "schema"]);
  const fits = validate(call.body);
  if (call.breaks && fits) wrong.push(`${what}: the document allows ${JSON.stringify(call.body)}`);
  if (status < 300 && !fits) wrong.push(`${what}: the document does not allow ${JSON.stringify(call.body)}`);
}

async function make(call) {
  const headers = { ...call.headers };
  const body = call.body === undefined || call.body === null ? call.raw : JSON.stringify(call.body);
  if (body !== undefined && !headers["Content-Type"]) headers["Content-Type"] = "application/json";
  const answer = await fetch(base + call.path, { method: call.method, headers, body, signal: AbortSignal.timeout(60000) });
  return { status: answer.status, headers: Object.fromEntries(answer.headers), body: await answer.text() };
}

const seen = [];
for (const call of calls) {
  const answer = await make(call);
  const what = `${call.method} ${call.path} ${answer.status}`;
  const method = call.method === "HEAD" ? "get" : call.method.toLowerCase();
  const path = ["paths", template(call.path), method];
  const operation = find(path).found;
  seen.push({ call, name: operation ? `${method.toUpperCase()} ${path[1]}` : "", ...answer });
  if (!operation) {
    if (![404, 405].includes(answer.status)) wrong.push(`${what}: not in the document`);
    judge(what, ["components", "schemas", "Problem"], JSON.parse(answer.body));
    continue;
  }
  const key = operation.responses[answer.status] ? String(answer.status) : "default";
  const response = find([...path, "responses", key]);
  if (!response.found) {
    wrong.push(`${what}: this status is not documented`);
    continue;
  }
  judgeRequest(what, path, operation, call, answer.status);
  judgeHeaders(what, response.found, answer.headers);
  if (call.method !== "HEAD") {
    const type = (answer.headers["content-type"] ?? "").split(";")[0];
    judgeBody(what, response.path, response.found, type, answer.body);
  }
}

const documented = Object.entries(document.paths).flatMap(([path, item]) =>
  Object.entries(item).flatMap(([method, operation]) =>
    Object.keys(operation.responses).filter((s) => s !== "default").map((s) => `${method.toUpperCase()} ${path} ${s}`)));
console.log(JSON.stringify({ documented, seen, wrong }));
