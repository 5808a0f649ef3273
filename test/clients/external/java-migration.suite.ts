// Groups of the Java client that are moved from one group protocol to the other and back, member by member, under load.

import { describeClient, testCases, useExternalBroker } from './external-client.ts';
import { java, KAFKA_NEEDS } from './java-programs.ts';

// Sessions keep their defaults: no case waits for one to end, and a member whose session ends while its protocol leaves the
// group is told GROUP_ID_NOT_FOUND, which its client does not survive.
const QUICK_HEARTBEATS = ['group.consumer.min.heartbeat.interval.ms=200', 'group.consumer.heartbeat.interval.ms=200'];
const CASES = ['RangeAssignor', 'CooperativeStickyAssignor'].flatMap((each) => [each, `${each}, static members`]);

describeClient('rolling upgrades and downgrades of the Java client', KAFKA_NEEDS, () => {
  const broker = useExternalBroker('java-migration', { configuration: QUICK_HEARTBEATS });
  testCases(CASES, (bootstrap) => java(['Migration.java', bootstrap]), broker);
});
