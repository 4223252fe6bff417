# One node of Causeway, or the WAN shaper: `docker run … serve --config regions/eu-west-1.yaml --node a`.
# The install scripts are left out: lmdb brings prebuilt binaries, and Node is the image's own.

FROM node:24-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund

FROM packages AS build
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig*.json ./
COPY src ./src
RUN node node_modules/typescript/bin/tsc --build tsconfig.shell.json && rm dist/*.tsbuildinfo

FROM node:24-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
RUN mkdir /data && chown node:node /data
COPY --from=packages /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY package.json LICENSE ./
COPY bin ./bin
COPY regions ./regions
USER node
ENTRYPOINT ["node", "bin/causeway.js"]
CMD ["--help"]
