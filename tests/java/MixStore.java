import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.security.GeneralSecurityException;
import java.security.Key;
import java.security.KeyStore;

/**
 * Writes a key store that no tool writes: the private key of one store beside the certificates of another.
 *
 * <p>Arguments: the store of the key, the store of the certificates, the file to write, its type, the password of
 * all three.
 */
public final class MixStore {
    public static void main(String[] arguments) throws GeneralSecurityException, IOException {
        char[] password = arguments[4].toCharArray();
        KeyStore keys = KeyStore.getInstance(new File(arguments[0]), password);
        KeyStore certificates = KeyStore.getInstance(new File(arguments[1]), password);
        String alias = keys.aliases().nextElement();
        Key key = keys.getKey(alias, password);
        String other = certificates.aliases().nextElement();

        KeyStore mixed = KeyStore.getInstance(arguments[3]);
        mixed.load(null, null);
        mixed.setKeyEntry(alias, key, password, certificates.getCertificateChain(other));
        try (OutputStream out = new FileOutputStream(arguments[2])) {
            mixed.store(out, password);
        }
    }
}
