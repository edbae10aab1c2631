// An identity provider of others' making for the tests: it says its address on the first line, and ends with its input.
import { createServer } from 'node:http';
import { OAuth2Server } from 'oauth2-mock-server';

const probe = createServer().listen(0, '127.0.0.1', async () => {
  const { port } = probe.address();
  await new Promise((done) => probe.close(done));
  const server = new OAuth2Server();
  await server.issuer.keys.generate('RS256');
  await server.start(port, '127.0.0.1');
  server.issuer.url = `http://127.0.0.1:${port}`;
  server.service.on('beforeTokenSigning', (token, req) => {
    token.payload.roles = ['registrar', 'service'];
    token.payload.aud ??= req.body.audience;
    token.payload.sub ??= req.body.client_id;
  });
  console.log(server.issuer.url);
});
process.stdin.on('end', () => process.exit(0)).resume();
