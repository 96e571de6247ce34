package org.lexvla.model;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import org.lexvla.lexical.Token;

/** {@code tokenizer.json}, read by Hugging Face's own library. */
final class JsonTokenizer implements Tokenizer {
    /** How byte fallback writes a byte. */
    private static final Pattern BYTE = Pattern.compile("<0x[0-9A-Fa-f]{2}>");

    private static final Pattern UNUSED = Pattern.compile("[<\\[]unused.*");

    static {
        // DJL looks for a CUDA build of its library on machines with a GPU, and downloads what its jar does not hold.
        System.setProperty("ai.djl.offline", System.getProperty("ai.djl.offline", "true"));
        System.setProperty("RUST_FLAVOR", System.getProperty("RUST_FLAVOR", "cpu"));
        System.setProperty("OPT_OUT_TRACKING", System.getProperty("OPT_OUT_TRACKING", "true"));
    }

    private final HuggingFaceTokenizer natives;
    private final List<Token> tokens;
    private final int bos;
    private volatile boolean closed;

    private JsonTokenizer(HuggingFaceTokenizer natives, List<Token> tokens, int bos) {
        this.natives = natives;
        this.tokens = tokens;
        this.bos = bos;
    }

    static JsonTokenizer open(Path file) throws IOException {
        Map<String, Integer> ids = new HashMap<>();
        List<Token> tokens;
        try {
            tokens = tokens(new ObjectMapper().readTree(file.toFile()), ids, file);
        } catch (IOException e) {
            throw new IOException("tokenizer " + file + " cannot be read: " + e.getMessage(), e);
        }
        int bos = BeginToken.find(file.toAbsolutePath().getParent(), ids, tokens.size());
        try {
            // Truncation would cut prompts without a word; padding is the model's business.
            HuggingFaceTokenizer natives = HuggingFaceTokenizer.builder()
                    .optTokenizerPath(file)
                    .optAddSpecialTokens(false)
                    .optTruncation(false)
                    .optPadding(false)
                    .build();
            return new JsonTokenizer(natives, tokens, bos);
        } catch (RuntimeException e) {
            throw new IOException(
                    "tokenizer " + file + " is not accepted by the tokenizers library: " + e.getMessage(), e);
        }
    }

    private static List<Token> tokens(JsonNode root, Map<String, Integer> ids, Path file) throws IOException {
        JsonNode vocabulary = root.path("model").path("vocab");
        if (vocabulary.isObject()) {
            vocabulary
                    .properties()
                    .forEach(entry -> ids.put(entry.getKey(), entry.getValue().asInt(-1)));
        } else {
            // Unigram: pairs of piece and score, in the order of ids.
            for (JsonNode entry : vocabulary) {
                ids.put(entry.path(0).asText(), ids.size());
            }
        }
        Set<String> special = new HashSet<>();
        for (JsonNode added : root.path("added_tokens")) {
            String piece = added.path("content").asText();
            ids.put(piece, added.path("id").asInt(-1));
            if (added.path("special").asBoolean()) {
                special.add(piece);
            }
        }
        special.add(root.path("model").path("unk_token").asText(""));
        if (ids.isEmpty()) {
            throw new IOException("no model.vocab in it");
        }
        int last = ids.values().stream().mapToInt(Integer::intValue).max().orElse(0);
        // Gaps are rows of the output matrix without a token; sixteen times the tokens is no tokenizer.
        if (last > 16L * ids.size() + 1024) {
            throw new IOException("ids up to " + last + " for " + ids.size() + " tokens");
        }
        Token[] byId = new Token[last + 1];
        for (Map.Entry<String, Integer> entry : ids.entrySet()) {
            String piece = entry.getKey();
            int id = entry.getValue();
            if (id < 0) {
                throw new IOException("token '" + piece + "' of " + file.getFileName() + " has no valid id");
            }
            boolean meaningful = !special.contains(piece)
                    && !BYTE.matcher(piece).matches()
                    && !UNUSED.matcher(piece).matches();
            byId[id] = new Token(id, piece, meaningful);
        }
        List<Token> tokens = new ArrayList<>(byId.length);
        for (int id = 0; id < byId.length; id++) {
            tokens.add(byId[id] != null ? byId[id] : new Token(id, "", false));
        }
        return List.copyOf(tokens);
    }

    @Override
    public int[] encode(String text) {
        check();
        long[] wide = natives.encode(text, false, false).getIds();
        int[] ids = new int[wide.length];
        for (int i = 0; i < ids.length; i++) {
            ids[i] = Math.toIntExact(wide[i]);
        }
        return ids;
    }

    @Override
    public String decode(int[] ids) {
        check();
        long[] wide = new long[ids.length];
        for (int i = 0; i < ids.length; i++) {
            wide[i] = SentencePieceTokenizer.checked(ids[i], tokens.size());
        }
        return natives.decode(wide, true);
    }

    private void check() {
        if (closed) {
            throw new IllegalStateException("tokenizer is closed");
        }
    }

    @Override
    public int bos() {
        return bos;
    }

    @Override
    public List<Token> tokens() {
        return tokens;
    }

    @Override
    public int size() {
        return tokens.size();
    }

    @Override
    public void close() {
        closed = true;
        natives.close();
    }
}
