// Where the viewer's scans and masks come from, and the colours of the structures.

// The brightest tissue's value in the scans as the server sends them (shown.py).
export const WHITE = 65535;
// Of the structures in their order: amber, blue, green, pink.
const COLOURS = [[255, 150, 50], [80, 170, 255], [110, 220, 130], [240, 120, 200]];

// labels: structure -> value.
export function coloursOf(labels) {
  return Object.fromEntries(Object.values(labels).map((value, n) => [value, COLOURS[n % COLOURS.length]]));
}

// A mask that was corrected meanwhile is another one.
export function source({ number, mask }) {
  return [
    [`image ${number}`, () => fetched(`/image/${number}.nii`)],
    [`mask ${number} ${mask}`, () => fetched(`/mask/${number}.nii.gz`)],
  ];
}

async function fetched(path) {
  const answer = await fetch(path);
  if (answer.status === 422) throw new Error((await answer.json()).error);
  if (!answer.ok) throw new Error(`no file (${answer.status})`);
  return answer.arrayBuffer();
}
