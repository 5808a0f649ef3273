// DescribeCluster (API key 60), versions 0 to 2, flexible from the first.
//
// Behaviour: this broker, which is the controller too.
// Versions: 1 endpoint type (KIP-919); 2 fenced brokers (KIP-1073), of which there are none.

import { ERROR_CODES } from '../../protocol/errors.ts';
import { describeCluster } from '../../protocol/messages/60-describe-cluster.ts';
import { CLUSTER_OPERATIONS, NOT_ASKED } from '../authorized-operations.ts';
import type { Handler } from '../handler.ts';

const BROKERS = 1;
const CONTROLLERS = 2;

export const describeClusterHandler: Handler<typeof describeCluster.request, typeof describeCluster.response> = {
  api: describeCluster,
  versions: describeCluster.versions,
  handle(services, request, call) {
    const { metadata } = services;
    const { endpointType } = request;
    if (endpointType !== BROKERS) {
      const mismatched = endpointType === CONTROLLERS;
      const code = mismatched ? ERROR_CODES.MISMATCHED_ENDPOINT_TYPE : ERROR_CODES.UNSUPPORTED_ENDPOINT_TYPE;
      return {
        errorCode: call.note(code),
        errorMessage: `This is a listener of a broker, not of endpoint type ${endpointType}.`,
        endpointType: call.version >= 1 ? endpointType : BROKERS,
        clusterId: metadata.clusterId,
        brokers: [],
      };
    }
    const { host, port } = services.advertised(call.connection);
    return {
      errorCode: ERROR_CODES.NONE,
      clusterId: metadata.clusterId,
      controllerId: metadata.controllerId(),
      brokers: [{ brokerId: metadata.nodeId, host, port }],
      clusterAuthorizedOperations: request.includeClusterAuthorizedOperations ? CLUSTER_OPERATIONS : NOT_ASKED,
    };
  },
};
