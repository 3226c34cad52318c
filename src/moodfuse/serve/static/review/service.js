// The service behind the page: every request carries the key that stands behind # in the address, which is never sent.
const key = new URLSearchParams(location.hash.slice(1)).get("key");

export const hasKey = Boolean(key);

export async function ask(path, { body, ...options } = {}) {
  const headers = { Authorization: `Bearer ${key}` };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  return fetch(path, { ...options, headers, body: body === undefined ? undefined : JSON.stringify(body) });
}

// Posts that were asked for: the next one is there before it is wanted. `urls` are those of its images, null for one that
// cannot be shown.
const held = new Map();
const MOST = 8;

export function loadPost(row) {
  const post = held.get(row) ?? fetchPost(row);
  held.delete(row); // the last asked for stands last, and the first goes
  held.set(row, post);
  post.catch(() => held.delete(row));
  if (held.size > MOST) forget(held.keys().next().value);
  return post;
}

export function forget(row) {
  const old = held.get(row);
  held.delete(row);
  old?.then((post) => post.urls.forEach((url) => url && URL.revokeObjectURL(url)), () => {});
}

async function fetchPost(row) {
  const response = await ask(`/v1/posts/${row}`);
  if (!response.ok) throw response;
  const post = await response.json();
  post.urls = await Promise.all(Array.from({ length: post.images }, async (_, place) => {
    const image = await ask(`/v1/posts/${row}/images/${place}`);
    return image.ok ? URL.createObjectURL(await image.blob()) : null;
  }));
  return post;
}
