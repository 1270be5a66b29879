// An OpenID Connect provider (oidc-provider, which the OpenID Foundation certified) for the demo and
// for tests: who gives a name is that person, whatever the password. Never for anybody else.
//
//   node accounts.mjs HOST PORT ISSUER CONSOLE KEY CERTIFICATE GROUPS [FRONT BEHIND]
//
// It listens at HOST:PORT with this key and certificate. ISSUER is how browsers reach it, CONSOLE the
// address of the console. GROUPS is JSON: the groups of each person; everybody else has none. With
// FRONT and BEHIND it also ends TLS at the port FRONT before a console at the port BEHIND, as the edge
// does. Keys are made at each start. It says "ready" when it answers.
import { generateKeyPairSync } from "node:crypto";
import { readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import Provider from "oidc-provider";

const [host, port, issuer, console_, key, cert, people, front, behind] = process.argv.slice(2);
const groups = JSON.parse(people);
const signing = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ format: "jwk" });
const provider = new Provider(issuer, {
  clients: [
    {
      client_id: "longshore-console",
      client_secret: "of the demo",
      redirect_uris: [`${console_}/login/callback`],
      post_logout_redirect_uris: [`${console_}/logged-out`],
    },
  ],
  jwks: { keys: [{ ...signing, kid: `started-${process.pid}`, alg: "ES256", use: "sig" }] },
  clientDefaults: { id_token_signed_response_alg: "ES256" },
  enabledJWA: { idTokenSigningAlgValues: ["ES256"] },
  cookies: { keys: ["of the demo"] },
  pkce: { required: () => true },
  claims: { openid: ["sub"], groups: ["groups"] },
  features: {
    rpInitiatedLogout: {
      // For browsers without scripts.
      logoutSource(context, form) {
        const button = '<input type="hidden" name="logout" value="yes"><button>Log out here</button></form>';
        context.body = form.replace("</form>", button);
      },
    },
  },
  // In the ID token, as the API server wants them.
  conformIdTokenClaims: false,
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, groups: groups[id] ?? [] }) }),
  // Nobody is asked whether the console may know the name.
  async loadExistingGrant(context) {
    const { client, session } = context.oidc;
    const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
    grant.addOIDCScope("openid groups");
    await grant.save();
    return grant;
  },
});
provider.on("server_error", (_, error) => console.error(error));

const pass = (request, response) => {
  const from = request.socket.remoteAddress;
  const headers = { ...request.headers, "x-forwarded-for": from, "x-forwarded-proto": "https" };
  const options = { port: behind, method: request.method, path: request.url, headers, host: "127.0.0.1" };
  const passed = http.request(options, (answer) => {
    response.writeHead(answer.statusCode, answer.rawHeaders);
    answer.pipe(response);
  });
  passed.on("error", () => response.writeHead(502).end("the console is away\n"));
  request.pipe(passed);
};

const tls = { key: readFileSync(key), cert: readFileSync(cert) };
const listen = (handler, at) =>
  new Promise((done) => https.createServer(tls, handler).listen(at, host, done));
await listen(provider.callback(), port);
if (front) await listen(pass, front);
console.log("ready");
