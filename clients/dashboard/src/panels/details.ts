/** What is told in words and tables of what one looks at: the panels, and the chosen cluster. */

import type { Feed } from '../feed';
import type { Names } from '../model/names';
import type { Store } from '../model/store';
import type { Seen } from '../sight';
import { byId, say } from '../ui/dom';
import { ClusterTable } from './clusters';
import { Inspector } from './inspector';
import { Log } from './log';
import { Sources } from './sources';
import { type Tab, Tabs } from './tabs';
import { Tune } from './tune';

export interface DetailsEvents {
  /** A cluster was chosen, or let go of. */
  chosen(id: number | null): void;
  pointed(id: number | null): void;
  filtered(source: string | null): void;
  /** A moment is to be shown, with the cluster that it is about, or null. */
  went(at: number, cluster: number | null): void;
  renamed(): void;
  sorted(): void;
  turned(tab: Tab): void;
}

export class Details {
  readonly tabs: Tabs;
  readonly tune: Tune;
  readonly #table: ClusterTable;
  readonly #sources: Sources;
  readonly #log: Log;
  readonly #inspector: Inspector;
  #chosen: number | null = null;

  constructor(feed: Feed, names: Names, events: DetailsEvents) {
    this.tabs = new Tabs((tab) => events.turned(tab));
    this.tune = new Tune(feed);
    this.#table = new ClusterTable({
      chosen: (id) => events.chosen(id === this.#chosen ? null : id),
      pointed: (id) => events.pointed(id),
      sorted: () => events.sorted(),
    });
    this.#sources = new Sources((source) => events.filtered(source));
    this.#log = new Log((at, cluster) => events.went(at, cluster));
    this.#inspector = new Inspector(names, {
      closed: () => events.chosen(null),
      renamed: () => events.renamed(),
    });
  }

  /** Show the chosen cluster, and unless the page is a part of another one the open panel. */
  show(seen: Seen, store: Store, now: number, pointed: number | null, isAll: boolean): void {
    this.#chosen = seen.chosen;
    this.#inspect(seen, store);
    if (!isAll) return;
    say(byId('more'), '');
    switch (this.tabs.seen) {
      case 'clusters':
        this.#table.show({ ...seen, pointed });
        break;
      case 'sources':
        this.#sources.show(store.presence, now, seen.source);
        break;
      case 'log':
        this.#log.show({ ...seen, total: store.taken.happenings });
        break;
      case 'tune':
    }
  }

  #inspect({ chosen: id, marks, isLive }: Seen, { clusters, touched }: Store): void {
    if (id === null) {
      this.#inspector.hide();
      return;
    }
    this.#inspector.show({
      id,
      mark: marks.find((mark) => mark.id === id),
      cluster: clusters.get(id),
      others: [...clusters.values()].filter(({ cluster_id }) => cluster_id !== id),
      source: touched.get(id),
      isThen: !isLive,
    });
  }
}
