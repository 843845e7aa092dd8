// A hand on a running call, from Node: `node control.mjs http://127.0.0.1:8090 LABEL`.
// What changes the emulator carries the header x-emu-control, which no web page can send.

const [base, label] = process.argv.slice(2)
if (label === undefined) {
  console.error('usage: node control.mjs http://127.0.0.1:8090 LABEL')
  process.exit(2)
}

async function get(path) {
  return (await fetch(base + path)).json()
}

async function post(path, body = {}) {
  const answered = await fetch(base + path, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'x-emu-control': '1' },
    body: JSON.stringify(body),
  })
  const said = await answered.json()
  if (!answered.ok) throw new Error(`${path}: ${answered.status} ${said.error}`)
  return said
}

// The events of one session, until it is over.
async function* events(session) {
  const answered = await fetch(`${base}/__emu/events?session=${session}`)
  let text = ''
  for await (const chunk of answered.body.pipeThrough(new TextDecoderStream())) {
    text += chunk
    const lines = text.split('\n')
    text = lines.pop()
    for (const line of lines) if (line.startsWith('data: ')) yield JSON.parse(line.slice(6))
  }
}

const { sessions } = await get(`/__emu/sessions?state=live&label=${encodeURIComponent(label)}`)
if (sessions.length === 0) throw new Error(`no running call has the label ${label} (the header X-Emu-Label of its start)`)
const { id } = sessions[0]
const seen = events(id)
const first = seen.next()
await post(`/__emu/sessions/${id}/say`, { text: 'One moment, please.', audio: 'tone:440:0.2' })

let said
for (let next = await first; !next.done; next = await seen.next()) {
  if (next.value.type === 'transcribed') said = next.value.text
  if (next.value.type === 'reply_ended') await post(`/__emu/sessions/${id}/end`, { cause: 'agent_left' })
}
const { lines } = await get(`/__emu/sessions/${id}/transcript`)
const { findings } = await get(`/__emu/findings?session=${id}`)
console.log(JSON.stringify({ said, lines: lines.length, findings: findings.length }))
