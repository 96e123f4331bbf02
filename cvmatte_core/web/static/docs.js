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
  const found = new Map(Object.entries(form.properties ?? {}).map(([name, schema]) => [name, { name, schema, required: form.required?.includes(name) }]));
  for (const { name, schema, required } of operation.parameters ?? []) if (!found.has(name)) found.set(name, { name, schema, required });
  return [...found.values()];
}

/** A request by curl with all that an operation needs. What is to be filled in is in capitals. */
function exampleOf(method, path, operation) {
  const content = operation.requestBody?.content ?? {};
  const form = content["multipart/form-data"]?.schema;
  const needed = form ? [...(form.required ?? []), ...(form.anyOf?.[0].required ?? [])] : [];
  const query = (operation.parameters ?? []).filter((parameter) => parameter.in === "query" && parameter.required);
  const filled = path.replace(/\{(\w+)\}/g, (_, name) => name.toUpperCase());
  const address = `${new URL("./", location.href)}${filled.slice(1)}${query.length ? "?" : ""}${query.map(({ name }) => `${name}=${name.toUpperCase()}`).join("&")}`;
  const file = Object.keys(operation.responses[200]?.content ?? {}).find((type) => !/json|event/.test(type));
  return [
    "curl",
    !form && method !== "get" && `-X ${method.toUpperCase()}`,
    operation.security && '-H "Authorization: Bearer TOKEN"',
    ...needed.map((name) => `-F "${name}=@photo.jpg"`),
    !form && operation.requestBody && `--data-binary @${content["image/png"] ? "strokes.png" : "FILE"}`,
    `"${address}"`,
    file && `-o ${/png|zip/.test(file) ? `result.${file.split("/")[1]}` : "RESULT"}`,
  ].filter(Boolean).join(" ");
}

function described(schema) {
  const usual = ["", undefined].includes(schema.default) ? "" : `Default: ${schema.default}.`;
  return [schema.description, usual].filter(Boolean).join(" ");
}

function drawn(method, path, operation) {
  const rows = parametersOf(operation).flatMap(({ name, schema, required }) => [
    made("dt", {}, made("code", { textContent: name }), required ? " (required)" : ""),
    made("dd", {}, made("code", { textContent: kindOf(schema) }), made("span", { textContent: described(schema) })),
  ]);
  const about = (operation.description ?? "").replaceAll("`", "");
  return made(
    "section", { className: "operation" }, made("h2", { textContent: `${method.toUpperCase()} ${path}` }), made("p", { textContent: about }),
    made("pre", {}, made("code", { textContent: exampleOf(method, path, operation) })), made("dl", {}, ...rows),
  );
}

const { paths } = await (await fetch("openapi.json")).json();
for (const [path, methods] of Object.entries(paths)) {
  for (const [method, operation] of Object.entries(methods)) document.getElementById("operations").append(drawn(method, path, operation));
}
document.body.dataset.ready = "true";
