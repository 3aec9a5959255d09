import type { ApiRequest } from "./fakeSessions.js";
import { Refusal } from "./refusals.js";

/** Behind a proxy the server sees an internal host. */
export const INTERNAL = "http://backend.internal/api/v1/";

const FIRST = "first";

/** The place of an item in a list, newest first. */
export interface Place {
  id: string;
  at: string;
}

/**
 * One page of a list.
 *
 * A cursor names the last item of the page before, so that new and deleted items shift nothing.
 */
export function page<T>(
  { path, query }: ApiRequest,
  items: T[],
  placeOf: (item: T) => Place,
  pageSize: number,
) {
  const places = items.map(placeOf);
  const start = startOf(query.get("cursor"), places);
  const end = start + pageSize;
  const address = (last: Place | undefined) =>
    `${INTERNAL}${path}?cursor=${last ? `${last.at}_${last.id}` : FIRST}`;
  return {
    results: items.slice(start, end),
    next: end < items.length ? address(places[end - 1]) : null,
    previous: start ? address(places[start - pageSize - 1]) : null,
  };
}

function startOf(cursor: string | null, places: Place[]): number {
  if (!cursor || cursor === FIRST) return 0;
  const [at = "", id] = cursor.split("_");
  if (Number.isNaN(Date.parse(at))) throw new Refusal("not_found");
  const last = places.findIndex((place) => place.id === id);
  if (last >= 0) return last + 1;
  const older = places.findIndex((place) => place.at <= at);
  return older < 0 ? places.length : older;
}
