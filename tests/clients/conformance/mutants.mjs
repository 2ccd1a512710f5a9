/** The driver of the JavaScript SDK with one defect: mutants.mjs DEFECT. */

import { WebSocket } from '../../../clients/javascript/node_modules/ws/wrapper.mjs';
import { NCSStream } from '../../../clients/javascript/dist/stream.js';
import { ClusterView } from '../../../clients/javascript/dist/view.js';

const defects = {
  /** Every batch goes out twice. */
  sends_twice() {
    const { sendBatch } = NCSStream.prototype;
    NCSStream.prototype.sendBatch = function twice(...args) {
      void sendBatch.apply(this, args).catch(() => {});
      return sendBatch.apply(this, args);
    };
  },

  /** Codes that are final are taken for others. */
  comes_back_whatever_the_code() {
    globalThis.WebSocket = class extends WebSocket {
      set onclose(take) {
        super.onclose = take && (({ reason }) => take({ code: 4000, reason }));
      }
    };
  },

  /** Every second update of a cluster is not applied. */
  drops_an_event() {
    const { apply } = ClusterView.prototype;
    let count = 0;
    ClusterView.prototype.apply = function forgetful(event) {
      const isDropped = event.type === 'cluster_update' && ++count % 2 === 0;
      apply.call(this, isDropped ? { ...event, type: 'presence' } : event);
    };
  },
};

defects[process.argv[2]]();
await import('../../../clients/conformance/drivers/javascript.mjs');
