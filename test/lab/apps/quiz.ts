// SPDX-License-Identifier: Apache-2.0
// Image `quiz`: the Kiada suite's quiz service. Asks one of its questions.

import { pick, serveApp } from './web-app.ts';

const QUESTIONS = [
  'Which address does getpeername(2) show to a client of a Service?',
  'How many bytes does an IPv4 address take, written as IPv6?',
  'What does a client see when a Service has no endpoints?',
];

const ask = () => ({ question: pick(QUESTIONS) });

serveApp({ '/': ask, '/questions/random': ask });
