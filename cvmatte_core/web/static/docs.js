// The HTTP API for people: what /openapi.json says, each address with its parameters.

const made = (tag, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};

function kindOf(schema) {
  if (schema.enum) return schema.enum.join(" | ");
  if (schema.format === "binary") return "file";
  if (schema.items) return `${kindOf(schema.items)}, …`;
  if (schema.maximum !== undefined) return `${schema.minimum} … ${schema.maximum}`;
  return schema.type ?? "";
}

/** Name, schema and description of everything that an operation takes; a form's fields go before the query's. */
function parametersOf(operation) {
  const form = operation.requestBody?.content["multipart/form-data"]?.schema ?? {};
  const found = new Map(Object.entries(form.properties ?? {}));
  for (const { name, schema } of operation.parameters ?? []) if (!found.has(name)) found.set(name, schema);
  return [...found].map(([name, schema]) => ({ name, schema, required: form.required?.includes(name) }));
}

function drawn(method, path, operation) {
  const rows = parametersOf(operation).flatMap(({ name, schema, required }) => [
    made("dt", {}, made("code", { textContent: name }), required ? " *" : ""),
    made("dd", {}, made("code", { textContent: kindOf(schema) }), ` ${schema.default ?? ""} `, made("span", { textContent: schema.description ?? "" })),
  ]);
  const about = (operation.description ?? "").replaceAll("`", "");
  return made("section", { className: "operation" }, made("h2", {}, `${method.toUpperCase()} ${path}`), made("p", { textContent: about }), made("dl", {}, ...rows));
}

const { paths } = await (await fetch("/openapi.json")).json();
for (const [path, methods] of Object.entries(paths)) {
  for (const [method, operation] of Object.entries(methods)) document.getElementById("operations").append(drawn(method, path, operation));
}
document.body.dataset.ready = "true";
