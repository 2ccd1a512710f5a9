/** Several panels in one place, of which one is seen; as the pattern of tabs wants it. */

import { byId } from '../ui/dom';

export const TABS = ['clusters', 'sources', 'log', 'tune'] as const;
export type Tab = (typeof TABS)[number];

export class Tabs {
  seen: Tab = 'clusters';

  constructor(readonly changed: (tab: Tab) => void) {
    for (const tab of TABS) {
      const button = byId(`tab-${tab}`);
      button.addEventListener('click', () => {
        this.show(tab);
        changed(tab);
      });
      button.addEventListener('keydown', (event) => {
        const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
        if (!step) return;
        event.preventDefault();
        event.stopPropagation();
        const next = TABS[(TABS.indexOf(tab) + step + TABS.length) % TABS.length]!;
        byId(`tab-${next}`).focus();
        byId(`tab-${next}`).click();
      });
    }
    this.show('clusters');
  }

  show(seen: Tab): void {
    this.seen = seen;
    for (const tab of TABS) {
      const button = byId(`tab-${tab}`);
      button.setAttribute('aria-selected', String(tab === seen));
      button.tabIndex = tab === seen ? 0 : -1;
      byId(tab).hidden = tab !== seen;
    }
  }
}
