// Calls the IMS API by Huawei Cloud's SDK for Node.js: each line read is a client and a request, each line
// written what the SDK returned or raised, after "answer " for the SDK writes its own log there, too. A request
// has the fields that the SDK's generated clients fill.
const readline = require("node:readline");
const { BasicCredentials } = require("@huaweicloud/huaweicloud-sdk-core");
const { ClientBuilder } = require("@huaweicloud/huaweicloud-sdk-core/ClientBuilder");

function makeClient({ ak, sk, projectId, iamEndpoint, endpoint, region, derivedFor }) {
  const credential = new BasicCredentials().withAk(ak).withSk(sk);
  if (projectId) credential.withProjectId(projectId);
  if (iamEndpoint) credential.withIamEndpoint(iamEndpoint);
  if (derivedFor) credential.withDerivedPredicate(() => true);
  const builder = new ClientBuilder((client) => client).withCredential(credential);
  if (region) builder.withRegion({ id: region, endpoints: [endpoint] });
  else builder.withEndpoint(endpoint);
  if (derivedFor) builder.withDerivedAuthServiceName(derivedFor);
  return builder.build();
}

async function call({ client, request }) {
  const complete = { pathParams: {}, queryParams: {}, headers: {}, data: {}, ...request };
  if (typeof complete.data === "string") complete.data = Buffer.from(complete.data);
  try {
    const answer = await makeClient(client).sendRequest({ contentType: "application/json", ...complete });
    const { httpStatusCode: status, ...body } = answer;
    return { status, body };
  } catch (error) {
    return { status: error.httpStatusCode, code: error.errorCode, text: error.errorMsg ?? String(error) };
  }
}

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    process.stdout.write(`answer ${JSON.stringify(await call(JSON.parse(line)))}\n`);
  }
})();
